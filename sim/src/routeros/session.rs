//! One connection: login, then commands side by side, told apart by their tags.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fault::FaultAction;
use super::model::{Caller, Fields, Outcome, Print, Refusal, Reply, Router, Work};
use super::request::Request;
use super::server::Shared;
use super::wire::{SentenceReader, encode};

/// What is accepted of somebody who has not logged in, and of somebody who has.
const BEFORE_LOGIN: usize = 64 * 1024;
const AFTER_LOGIN: usize = 64 * 1024 * 1024;
/// So many wrong passwords end the connection.
const WRONG_PASSWORDS: u32 = 5;
/// Commands that may run at once on one connection.
const RUNNING: usize = 1024;

/// A sentence that is on its way.
pub(super) struct Said {
    /// When it arrives.
    pub(super) at: Instant,
    pub(super) sentence: Vec<Vec<u8>>,
}

/// A connection that is being served.
#[derive(Clone)]
pub(super) struct Session {
    shared: Arc<Shared>,
    number: u64,
    replies: mpsc::UnboundedSender<Said>,
    /// Commands that go on, by tag.
    running: Arc<Mutex<HashMap<Vec<u8>, CancellationToken>>>,
}

/// How a connection goes on after a command.
enum Next {
    Go,
    /// Replies on their way still arrive.
    Close,
    /// They do not.
    Cut,
}

/// Serves a connection until it ends. `permitted` says whether the router still lets it be.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    shared: Arc<Shared>,
    permitted: impl Fn(&Shared) -> bool,
) {
    let number = shared.next_session();
    let (mut reader, writer) = tokio::io::split(stream);
    let (replies, queue) = mpsc::unbounded_channel();
    let cut = CancellationToken::new();
    let writing = tokio::spawn(write_all(writer, queue, cut.clone()));
    let session = Session { shared: shared.clone(), number, replies, running: Arc::default() };
    let mut changes = shared.router.lock().changes();
    let mut cuts = shared.cuts.subscribe();
    let mut sentences = SentenceReader::new(BEFORE_LOGIN);
    let mut login = Login { caller: None, failures: 0, said_goodbye: false };
    let mut buffer = vec![0; 16 * 1024];
    let next = 'connection: loop {
        let read = tokio::select! {
            read = reader.read(&mut buffer) => read,
            Ok(()) = changes.changed() => {
                if permitted(&shared) { continue } else { break Next::Close }
            }
            _ = cuts.changed() => break Next::Cut,
        };
        match read {
            Ok(0) | Err(_) => break Next::Close,
            Ok(count) => sentences.feed(&buffer[..count]),
        }
        loop {
            match sentences.next_sentence() {
                Ok(None) => break,
                Ok(Some(sentence)) => match session.handle(&mut login, &Request::read(&sentence)) {
                    Next::Go => {}
                    end => break 'connection end,
                },
                Err(mistake) => {
                    tracing::debug!(%mistake, "a connection to the simulated router is closed");
                    break 'connection Next::Cut;
                }
            }
            if login.caller.is_some() {
                sentences.set_limit(AFTER_LOGIN);
            }
        }
    };
    if matches!(next, Next::Cut) {
        // Before what is running is told of it: nothing arrives any more.
        cut.cancel();
    }
    session.running.lock().drain().for_each(|(_, token)| token.cancel());
    shared.router.lock().session_ended(number, login.said_goodbye);
    drop(session);
    let _ = writing.await;
}

/// Who is on the other end.
struct Login {
    caller: Option<Caller>,
    failures: u32,
    said_goodbye: bool,
}

impl Session {
    /// One that is not of the API: commands come one by one, without tags.
    pub(super) fn of_rest(shared: Arc<Shared>, number: u64, replies: mpsc::UnboundedSender<Said>) -> Session {
        Session { shared, number, replies, running: Arc::default() }
    }

    /// Runs a command. `false`: the connection is cut.
    pub(super) fn run_once(&self, caller: &Caller, request: &Request) -> bool {
        !matches!(self.run(caller, request), Next::Cut)
    }

    fn handle(&self, login: &mut Login, request: &Request) -> Next {
        match request.path.as_str() {
            "/login" => self.log_in(login, request),
            "/quit" => {
                login.said_goodbye = true;
                self.fatal("session terminated on request")
            }
            "/cancel" if login.caller.is_some() => {
                self.cancel(request);
                Next::Go
            }
            _ => match &login.caller {
                None => self.fatal("not logged in"),
                Some(caller) => self.run(caller, request),
            },
        }
    }

    fn log_in(&self, login: &mut Login, request: &Request) -> Next {
        let user = request.text("name").unwrap_or_default();
        let password = request.argument("password").unwrap_or_default();
        if self.shared.router.lock().may_log_in(&user, password) {
            login.caller = Some(Caller { user, session: self.number, local: false });
            self.done(&request.tag, None);
            return Next::Go;
        }
        login.failures += 1;
        if login.failures >= WRONG_PASSWORDS {
            return self.fatal("too many commands before login");
        }
        self.refuse(&request.tag, &Refusal::plain("invalid user name or password (6)"));
        Next::Go
    }

    fn run(&self, caller: &Caller, request: &Request) -> Next {
        let fault = self.shared.count(&request.path);
        match &fault {
            Some(FaultAction::Refuse(message)) => {
                self.refuse(&request.tag, &Refusal::plain(message.clone()));
                return Next::Go;
            }
            Some(FaultAction::CutBefore) => return Next::Cut,
            Some(FaultAction::CutAfter) | None => {}
        }
        let outcome = self.shared.router.lock().run(caller, request);
        if fault.is_some() {
            return Next::Cut;
        }
        match outcome {
            Ok(Outcome::Done(reply)) => self.answer(request, reply),
            Ok(Outcome::Follow(print)) => {
                // What is there now is read now: what the next command changes is news.
                let followed = Followed::new(&self.shared.router.lock(), print, caller);
                self.start(request, |token| follow(self.clone(), request.clone(), followed, token))
            }
            Ok(Outcome::Work(work)) => {
                self.start(request, |token| work_off(self.clone(), request.clone(), work, token))
            }
            Ok(Outcome::Restart) => {
                self.done(&request.tag, None);
                self.shared.restart();
                return Next::Close;
            }
            Err(refusal) => self.refuse(&request.tag, &refusal),
        }
        Next::Go
    }

    /// Starts a command that goes on.
    fn start<F: Future<Output = ()> + Send + 'static>(
        &self,
        request: &Request,
        task: impl FnOnce(CancellationToken) -> F,
    ) {
        let token = CancellationToken::new();
        let mut running = self.running.lock();
        if running.len() >= RUNNING {
            drop(running);
            return self.refuse(&request.tag, &Refusal::failure("too many commands"));
        }
        running.insert(request.tag.clone(), token.clone());
        tokio::spawn(task(token));
    }

    fn cancel(&self, request: &Request) {
        match request.argument("tag") {
            Some(tag) => {
                if let Some(token) = self.running.lock().remove(tag) {
                    token.cancel();
                }
            }
            None => self.running.lock().drain().for_each(|(_, token)| token.cancel()),
        }
        self.done(&request.tag, None);
    }

    /// Forgets a command that has come to its own end.
    fn ended(&self, tag: &[u8]) {
        self.running.lock().remove(tag);
    }

    fn answer(&self, request: &Request, reply: Reply) {
        let is_print = matches!(request.split().1, "print" | "getall");
        if reply.rows.is_empty() && reply.ret.is_none() && is_print {
            self.empty(&request.tag);
        }
        for row in &reply.rows {
            self.row(&request.tag, row);
        }
        self.done(&request.tag, reply.ret.as_deref());
    }

    fn refuse(&self, tag: &[u8], refusal: &Refusal) {
        for trap in &refusal.0 {
            let mut words = Vec::new();
            words.extend(trap.category.map(|category| format!("=category={category}").into_bytes()));
            words.push(format!("=message={}", trap.message).into_bytes());
            self.say(b"!trap", tag, words);
        }
        self.done(tag, None);
    }

    fn interrupted(&self, tag: &[u8], had_rows: bool) {
        let Refusal(traps) = Refusal::interrupted();
        for trap in traps {
            self.say(b"!trap", tag, vec![b"=category=2".to_vec(), format!("=message={}", trap.message).into_bytes()]);
        }
        if !had_rows {
            self.empty(tag);
        }
        self.done(tag, None);
    }

    fn row(&self, tag: &[u8], row: &Fields) {
        let words = row.iter().map(|(name, value)| [b"=", name.as_bytes(), b"=", value].concat());
        self.say(b"!re", tag, words.collect());
    }

    fn done(&self, tag: &[u8], ret: Option<&[u8]>) {
        self.say(b"!done", tag, ret.map(|ret| [b"=ret=", ret].concat()).into_iter().collect());
    }

    /// Older releases say nothing when there is nothing.
    fn empty(&self, tag: &[u8]) {
        if self.shared.says_empty {
            self.say(b"!empty", tag, Vec::new());
        }
    }

    fn fatal(&self, reason: &str) -> Next {
        self.send(vec![b"!fatal".to_vec(), reason.as_bytes().to_vec()]);
        Next::Close
    }

    fn say(&self, first: &[u8], tag: &[u8], words: Vec<Vec<u8>>) {
        let mut sentence = vec![first.to_vec()];
        if !tag.is_empty() {
            sentence.push([b".tag=", tag].concat());
        }
        sentence.extend(words);
        self.send(sentence);
    }

    fn send(&self, sentence: Vec<Vec<u8>>) {
        // It fails when the connection is gone.
        let _ = self.replies.send(Said { at: Instant::now() + self.shared.latency(), sentence });
    }
}

/// A menu that somebody follows.
struct Followed {
    print: Print,
    caller: Caller,
    changes: watch::Receiver<u64>,
    /// The rows that were told or need not be, by id.
    known: BTreeMap<Vec<u8>, Fields>,
}

impl Followed {
    fn new(router: &Router, print: Print, caller: &Caller) -> Followed {
        let known = if print.first { BTreeMap::new() } else { keyed(router.rows(&print, caller)) };
        Followed { print, caller: caller.clone(), changes: router.changes(), known }
    }

    /// What is new since the last time, as it is told.
    fn news(&mut self, router: &Router) -> Vec<Fields> {
        let rows = keyed(router.rows(&self.print, &self.caller));
        let changed = rows.iter().filter(|(key, row)| self.known.get(*key) != Some(row));
        let mut news: Vec<Fields> = changed.map(|(_, row)| router.trim(&self.print, row.clone())).collect();
        for key in self.known.keys().filter(|key| !rows.contains_key(*key)) {
            let dead = [(".id".to_owned(), key.clone()), (".dead".to_owned(), b"true".to_vec())];
            news.push(Fields::from(dead));
        }
        self.known = rows;
        news
    }
}

/// Gives the rows of a menu as they change, until it is cancelled.
async fn follow(session: Session, request: Request, mut followed: Followed, cancelled: CancellationToken) {
    let mut had_rows = false;
    loop {
        let news = followed.news(&session.shared.router.lock());
        had_rows |= !news.is_empty();
        news.iter().for_each(|row| session.row(&request.tag, row));
        tokio::select! {
            changed = followed.changes.changed() => if changed.is_err() { return },
            () = cancelled.cancelled() => break,
        }
    }
    session.interrupted(&request.tag, had_rows);
}

/// Rows by id; the one row of a menu of settings has none.
fn keyed(rows: Vec<Fields>) -> BTreeMap<Vec<u8>, Fields> {
    rows.into_iter().map(|row| (row.get(".id").cloned().unwrap_or_default(), row)).collect()
}

/// Carries out a command that takes a while.
async fn work_off(session: Session, request: Request, work: Work, cancelled: CancellationToken) {
    let pause: Duration = work.takes / u32::try_from(work.rows.len()).unwrap_or(1).max(1);
    let mut had_rows = false;
    for row in &work.rows {
        tokio::select! {
            () = sleep(pause) => session.row(&request.tag, row),
            () = cancelled.cancelled() => return session.interrupted(&request.tag, had_rows),
        }
        had_rows = true;
    }
    session.ended(&request.tag);
    let finished = session.shared.router.lock().finish(work);
    match finished {
        Ok(reply) => session.answer(&request, reply),
        Err(refusal) => session.refuse(&request.tag, &refusal),
    }
}

/// Writes replies, each when it is due.
async fn write_all<W: AsyncWrite>(writer: W, mut queue: mpsc::UnboundedReceiver<Said>, cut: CancellationToken) {
    let mut writer = std::pin::pin!(writer);
    let writing = async {
        while let Some(Said { at, sentence }) = queue.recv().await {
            if at > Instant::now() {
                sleep_until(at).await;
            }
            let bytes = encode(&sentence);
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        () = writing => {}
    }
    let _ = writer.shutdown().await;
}
