//! `lodestar starstate`: documents and routers from the command line, without a server.
//!
//! Sessions are kept in a [`directory`], so that what was applied can be taken back, and what was interrupted goes on. [`reach`] is
//! how a router is reached, [`show`] what is shown meanwhile. Not here: what any of it means, which is crate `starstate`.
//!
//! Exit codes: 0 done, or nothing to do; 1 the document has errors, the router refused, somebody has changed something (`drift`).

pub mod arguments;
pub(crate) mod directory;
mod reach;
mod show;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value as Json, json};
use starstate::client_files::client_files;
use starstate::completion;
use starstate::documents::Documents;
use starstate::issue::{Issue, permits};
use starstate::orchestrator::{Options, RollbackResult};
use starstate::plan::{Plan, Verb};
use starstate::session::{Compile, ServiceError, Session, Sessions, Status, Target};
use starstate::state::{self, Secrets};
use tokio_util::sync::CancellationToken;

use arguments::{
    ApplyArguments, CompleteArguments, HeldArguments, PlanArguments, RouterArguments, StarStateCommand,
    ValidateArguments,
};
use directory::SessionDirectory;
use reach::{Reached, reach};
use show::Show;

/// Runs a command. `stop` ends it in order: what it did is taken back.
pub async fn run(command: StarStateCommand, stop: CancellationToken) -> Result<bool> {
    match command {
        StarStateCommand::Validate(arguments) => validate(&arguments),
        StarStateCommand::Complete(arguments) => complete(&arguments),
        StarStateCommand::Plan(arguments) => plan(&arguments).await,
        StarStateCommand::Apply(arguments) => apply(&arguments, stop).await,
        StarStateCommand::Drift(arguments) => drift(&arguments).await,
        StarStateCommand::Rollback(arguments) => roll_back(&arguments).await,
        StarStateCommand::Remove(arguments) => remove(&arguments).await,
    }
}

fn validate(arguments: &ValidateArguments) -> Result<bool> {
    let document = read(&arguments.file)?;
    let issues = Documents.validate(&document);
    if arguments.json {
        print(&json!({"valid": permits(&issues), "issues": issues}));
    } else {
        show_issues(&issues);
        println!("{}", if permits(&issues) { "the document can be applied" } else { "the document has errors" });
    }
    Ok(permits(&issues))
}

fn complete(arguments: &CompleteArguments) -> Result<bool> {
    let read = state::read(&read(&arguments.file)?);
    if !permits(&read.issues) {
        read.issues.iter().for_each(|issue| eprintln!("{issue}"));
        return Ok(false);
    }
    let completed = completion::complete(&read.state);
    println!("{}", serde_json::to_string_pretty(&completed.to_json(Secrets::Shown))?);
    Ok(true)
}

async fn plan(arguments: &PlanArguments) -> Result<bool> {
    let document = read(&arguments.file)?;
    let Some(work) = Work::begin(&arguments.router, &document, arguments.json).await? else { return Ok(false) };
    let options = Options { take_over: arguments.take_over, ..Options::default() };
    let plan = work.plan(document, options.clone()).await?;
    let fingerprint = work.sessions.fingerprint_of(&plan);
    show_plan(&plan, Some(&fingerprint), arguments.json);
    Ok(!is_blocked(&plan))
}

async fn apply(arguments: &ApplyArguments, stop: CancellationToken) -> Result<bool> {
    let document = read(&arguments.file)?;
    let Some(work) = Work::begin(&arguments.router, &document, arguments.json).await? else { return Ok(false) };
    let options = Options { take_over: arguments.take_over, allow_cut: arguments.allow_cut, ..Options::default() };
    let target = Target { reviewed: arguments.reviewed.clone(), ..work.target(options.clone()) };
    let session = match work.interrupted().await? {
        Some(session) if session.document == document => session,
        Some(session) => bail!(
            "session {} with another document was interrupted on {}: apply that one again to go on with it, or roll it back",
            session.id,
            session.router
        ),
        None => {
            if let Some(held) = work.applied(&document).await?
                && work.plan(document.clone(), options).await?.is_empty()
            {
                work.write_files(arguments, &held)?;
                show_outcome(arguments.json, &json!({"status": "applied", "changes": 0}), "nothing to do");
                return Ok(true);
            }
            work.sessions.import(&work.reached.name, document).await?
        }
    };
    let id = session.id.clone();
    let applying = async {
        match session.status {
            Status::Applying => work.sessions.resume(&id, &target).await,
            _ => work.sessions.apply(&id, &target).await,
        }
    };
    let stopping = async {
        stop.cancelled().await;
        work.sessions.cancel(&id);
        std::future::pending().await
    };
    let applied = tokio::select! {
        applied = applying => applied,
        () = stopping => return Ok(false),
    };
    work.show.end();
    let session = match applied {
        Ok(session) => session,
        Err(error) => {
            // Nothing of it was sent, so nobody needs it.
            if !matches!(error, ServiceError::Store(_)) {
                let _ = work.sessions.discard(&id).await;
            }
            return Err(error.into());
        }
    };
    if session.status == Status::Applied {
        work.write_files(arguments, &session)?;
    }
    show_session(&session, arguments.json);
    Ok(session.status == Status::Applied)
}

async fn drift(arguments: &HeldArguments) -> Result<bool> {
    let work = Work::on(&arguments.router, arguments.json).await?;
    let Some((session, plan)) = work.sessions.drift(&work.reached.name, &work.target(Options::default())).await? else {
        bail!("no document is applied on {}", work.reached.name);
    };
    check_document(arguments, &session)?;
    show_plan(&plan, None, arguments.json);
    Ok(plan.is_empty())
}

async fn roll_back(arguments: &HeldArguments) -> Result<bool> {
    let work = Work::on(&arguments.router, arguments.json).await?;
    let session = work.held().await?;
    check_document(arguments, &session)?;
    let session = work.sessions.roll_back(&session.id, &work.target(Options::default())).await;
    work.show.end();
    let session = session?;
    show_session(&session, arguments.json);
    Ok(session.is_taken_back())
}

async fn remove(arguments: &HeldArguments) -> Result<bool> {
    let work = Work::on(&arguments.router, arguments.json).await?;
    let session = work.held().await?;
    check_document(arguments, &session)?;
    let session = work.sessions.remove(&session.id, &work.target(Options::default())).await;
    work.show.end();
    let session = session?;
    show_session(&session, arguments.json);
    Ok(session.status == Status::Discarded)
}

/// What a command works with.
struct Work {
    sessions: Sessions,
    reached: Reached,
    show: Arc<Show>,
}

impl Work {
    /// For a document; `None` when that has errors, which are shown.
    async fn begin(router: &RouterArguments, document: &Json, json: bool) -> Result<Option<Work>> {
        let issues = Documents.validate(document);
        if !permits(&issues) {
            if json {
                print(&json!({"valid": false, "issues": issues}));
            } else {
                show_issues(&issues);
                println!("the document has errors");
            }
            return Ok(None);
        }
        Work::on(router, json).await.map(Some)
    }

    async fn on(router: &RouterArguments, json: bool) -> Result<Work> {
        let reached = reach(router).await?;
        let data = router.data_dir.clone().unwrap_or_else(|| "lodestar-data".into());
        let store = SessionDirectory::open(data.join("starstate"))?;
        let fingerprints = store.fingerprints()?;
        let show = Arc::new(Show::new(json));
        let told = show.clone();
        let tell = move |event| told.tell(&event);
        let sessions = Sessions::new(Arc::new(store), Arc::new(Documents), fingerprints, tell, now);
        Ok(Work { sessions, reached, show })
    }

    fn target(&self, options: Options) -> Target<'_> {
        Target { port: &*self.reached.port, management: self.reached.management.clone(), options, reviewed: None }
    }

    /// What a document would do. No session is kept for it.
    async fn plan(&self, document: Json, options: Options) -> Result<Plan> {
        let session = Session::new("plan".to_owned(), self.reached.name.clone(), document, now());
        Ok(self.sessions.plan_of(&session, &self.target(options)).await?)
    }

    async fn interrupted(&self) -> Result<Option<Session>> {
        let interrupted = self.sessions.interrupted().await?;
        Ok(interrupted.into_iter().find(|session| session.router == self.reached.name))
    }

    /// The session that has the router, if that is with this document.
    async fn applied(&self, document: &Json) -> Result<Option<Session>> {
        let held = self.sessions.holder(&self.reached.name).await?;
        Ok(held.filter(|held| held.status == Status::Applied && held.document == *document))
    }

    /// What the router made itself, and what those need who call its servers.
    fn write_files(&self, arguments: &ApplyArguments, session: &Session) -> Result<()> {
        if let Some(file) = &arguments.generated {
            write_secret(file, &serde_json::to_vec_pretty(&session.generated)?)?;
        }
        let Some(directory) = &arguments.client_files else { return Ok(()) };
        std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let state = state::read(&session.document).state;
        let host = arguments.public_address.as_deref().unwrap_or(&self.reached.host);
        for file in client_files(&state, &session.generated, host) {
            write_secret(&directory.join(&file.name), file.content.reveal().as_bytes())?;
        }
        Ok(())
    }

    /// The session that has the router: interrupted, or at its end.
    async fn held(&self) -> Result<Session> {
        if let Some(session) = self.interrupted().await? {
            return Ok(session);
        }
        let held = self.sessions.holder(&self.reached.name).await?;
        held.with_context(|| format!("nothing was applied on {}", self.reached.name))
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn read(file: &Path) -> Result<Json> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// A command that names a document means that one.
fn check_document(arguments: &HeldArguments, session: &Session) -> Result<()> {
    let Some(file) = &arguments.file else { return Ok(()) };
    if read(file)? != session.document {
        bail!("{} is not the document of session {}, which was applied last", file.display(), session.id);
    }
    Ok(())
}

fn is_blocked(plan: &Plan) -> bool {
    plan.operations.iter().any(|operation| operation.verb() == Verb::Blocked)
}

/// Writes a file that only its owner may read.
fn write_secret(file: &Path, content: &[u8]) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.create(true).write(true).truncate(true).mode(0o600).open(file);
    opened.and_then(|mut opened| opened.write_all(content)).with_context(|| format!("writing {}", file.display()))
}

fn show_issues(issues: &[Issue]) {
    issues.iter().for_each(|issue| println!("{issue}"));
}

fn show_plan(plan: &Plan, fingerprint: Option<&str>, json: bool) {
    if json {
        let mut shown = json!({"empty": plan.is_empty(), "operations": plan.shown(), "notes": plan.notes});
        if let Some(fingerprint) = fingerprint {
            shown["fingerprint"] = fingerprint.into();
        }
        return print(&shown);
    }
    print!("{plan}");
    if let Some(fingerprint) = fingerprint {
        println!("fingerprint: {fingerprint}");
    }
}

fn show_session(session: &Session, json: bool) {
    if json {
        return print(&session.summary());
    }
    for warning in &session.warnings {
        println!("warning: {}: {}", warning.step, warning.message);
    }
    if let (Status::Failed, Some(failure)) = (session.status, &session.failure) {
        println!("failed: {}", failure.message);
    }
    if let Some(result) = &session.rolled_back {
        show_rollback(result);
    }
    println!("session {} is {}", session.id, session.status);
}

fn show_rollback(result: &RollbackResult) {
    println!("taken back: {} of {} changes, {} failed", result.removed, result.total, result.failed);
    for error in &result.errors {
        println!("not taken back: {} ({}): {}", error.path, error.step, error.error);
    }
}

fn show_outcome(json: bool, outcome: &Json, text: &str) {
    if json { print(outcome) } else { println!("{text}") }
}

fn print(value: &Json) {
    println!("{value}");
}
