//! Sessions of the command line in a directory, for whoever has no server.
//!
//! `sessions/<id>.json` is a session as it was last saved as a whole, `sessions/<id>.<generation>.ledger` what was recorded since, one
//! entry per line; each saving begins a new generation. `routers/<name>` is locked by who works on a router, for as long as it
//! lives, and names its session. `key` tells secrets apart. All of it holds secrets: only its owner may read it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use starstate::ledger::{Entry, Fingerprints};
use starstate::session::{Session, SessionStore, StoreError};

/// Sessions in a directory.
pub struct SessionDirectory {
    directory: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    /// The present generation of each session that was read or saved.
    generations: HashMap<String, u64>,
    /// The locks that are held, by router.
    routers: HashMap<String, (String, File)>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    generation: u64,
    session: Session,
}

impl SessionDirectory {
    /// Opens a directory; makes it when it is not there.
    pub fn open(directory: PathBuf) -> Result<SessionDirectory> {
        for folder in ["sessions", "routers"] {
            let folder = directory.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::set_permissions(&directory, Permissions::from_mode(0o700))
            .with_context(|| format!("protecting {}", directory.display()))?;
        Ok(SessionDirectory { directory, open: Mutex::default() })
    }

    /// What tells secrets apart; made at the first call.
    pub fn fingerprints(&self) -> Result<Fingerprints> {
        let file = self.directory.join("key");
        if !file.exists() {
            let mut key = [0_u8; 32];
            getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
            let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            write_whole(&file, text.as_bytes()).with_context(|| format!("writing {}", file.display()))?;
        }
        let key = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        Ok(Fingerprints::new(key.trim().into()))
    }

    fn session_file(&self, id: &str) -> PathBuf {
        self.directory.join("sessions").join(format!("{id}.json"))
    }

    fn ledger_file(&self, id: &str, generation: u64) -> PathBuf {
        self.directory.join("sessions").join(format!("{id}.{generation}.ledger"))
    }

    fn read(&self, id: &str, open: &mut Open) -> Result<Option<Session>> {
        let file = self.session_file(id);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let Saved { generation, mut session } =
            serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))?;
        open.generations.insert(id.to_owned(), generation);
        let ledger = self.ledger_file(id, generation);
        let lines = match std::fs::read_to_string(&ledger) {
            Ok(lines) => lines,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", ledger.display())),
        };
        // A line without an end was being written when everything stopped; its command was not sent.
        for line in lines.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let entry: Entry =
                serde_json::from_str(line).with_context(|| format!("{} is damaged", ledger.display()))?;
            match session.entries.iter_mut().find(|known| known.sequence == entry.sequence) {
                Some(known) => *known = entry,
                None => session.entries.push(entry),
            }
        }
        Ok(Some(session))
    }

    fn write(&self, session: &Session, open: &mut Open) -> Result<()> {
        let before = open.generations.get(&session.id).copied();
        let generation = before.map_or(0, |before| before + 1);
        let file = self.session_file(&session.id);
        let text = serde_json::to_vec(&Saved { generation, session: session.clone() })?;
        write_whole(&file, &text).with_context(|| format!("writing {}", file.display()))?;
        open.generations.insert(session.id.clone(), generation);
        if let Some(before) = before {
            // All of it is in the session now. One that stays is of another generation, and never read.
            let _ = std::fs::remove_file(self.ledger_file(&session.id, before));
        }
        Ok(())
    }

    fn append(&self, id: &str, entries: &[Entry], open: &mut Open) -> Result<()> {
        let generation = match open.generations.get(id) {
            Some(generation) => *generation,
            None => {
                self.read(id, open)?.with_context(|| format!("there is no session {id}"))?;
                open.generations.get(id).copied().unwrap_or_default()
            }
        };
        let file = self.ledger_file(id, generation);
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        let mut ledger = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&file)?;
        let length = whole_lines(&mut ledger)?;
        ledger.set_len(length)?;
        if let Err(error) = ledger.write_all(&lines).and_then(|()| ledger.sync_data()) {
            // Half a line must not stand in front of the next one.
            let _ = ledger.set_len(length);
            return Err(error).with_context(|| format!("writing {}", file.display()));
        }
        Ok(())
    }

    fn ids(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for file in std::fs::read_dir(self.directory.join("sessions"))? {
            let name = file?.file_name().to_string_lossy().into_owned();
            ids.extend(name.strip_suffix(".json").map(str::to_owned));
        }
        // Names grow with time.
        ids.sort_unstable();
        Ok(ids)
    }

    fn lock(&self, router: &str, session: &str, open: &mut Open) -> Result<Option<String>> {
        if let Some((holder, _)) = open.routers.get(router) {
            return Ok(Some(holder.clone()).filter(|holder| holder != session));
        }
        let name: String =
            router.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
        let path = self.directory.join("routers").join(name);
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(session.as_bytes())?;
                open.routers.insert(router.to_owned(), (session.to_owned(), file));
                Ok(None)
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                Ok(Some(holder))
            }
            Err(std::fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("locking {}", path.display()))
            }
        }
    }
}

#[async_trait]
impl SessionStore for SessionDirectory {
    async fn load(&self, id: &str) -> Result<Option<Session>, StoreError> {
        self.read(id, &mut self.open.lock()).map_err(failed)
    }

    async fn save(&self, session: &Session) -> Result<(), StoreError> {
        self.write(session, &mut self.open.lock()).map_err(failed)
    }

    async fn record(&self, session: &str, entries: &[Entry]) -> Result<(), StoreError> {
        self.append(session, entries, &mut self.open.lock()).map_err(failed)
    }

    async fn list(&self, router: Option<&str>) -> Result<Vec<Session>, StoreError> {
        let open = &mut self.open.lock();
        let mut sessions = Vec::new();
        for id in self.ids().map_err(failed)? {
            sessions.extend(self.read(&id, open).map_err(failed)?);
        }
        sessions.retain(|session| router.is_none_or(|router| session.router == router));
        Ok(sessions)
    }

    async fn claim(&self, router: &str, session: &str) -> Result<Option<String>, StoreError> {
        self.lock(router, session, &mut self.open.lock()).map_err(failed)
    }

    async fn release(&self, router: &str, session: &str) -> Result<(), StoreError> {
        self.open.lock().routers.retain(|known, (holder, _)| known != router || holder != session);
        Ok(())
    }
}

fn failed(error: anyhow::Error) -> StoreError {
    StoreError(format!("{error:#}"))
}

/// How long a file is without a last line that has no end.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    const PART: u64 = 4_096;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(PART);
        let mut part = vec![0; usize::try_from(end - begin).unwrap_or_default()];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut part)?;
        if let Some(place) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + place as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Writes a file as a whole or not at all.
fn write_whole(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut writing = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    writing.write_all(content)?;
    writing.sync_all()?;
    std::fs::rename(&new, file)?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use starstate::ledger::{Deed, EntryState};

    use super::*;

    fn entry(sequence: u64, step: &str) -> Entry {
        Entry {
            sequence,
            wave: 1,
            step: step.to_owned(),
            resource: String::new(),
            phase: starstate::phase::phase_of("/ip/pool"),
            path: "/ip/pool".to_owned(),
            key: Vec::new(),
            id: None,
            comment: None,
            deed: Deed::Add { written: Vec::new() },
            gives_back: false,
            state: EntryState::Sent,
            error: None,
        }
    }

    fn session() -> Session {
        Session::new("01A".to_owned(), "192.0.2.1:8728".to_owned(), serde_json::json!({}), 0)
    }

    async fn entries(directory: &Path) -> Vec<Entry> {
        let opened = SessionDirectory::open(directory.to_owned()).unwrap();
        opened.load("01A").await.unwrap().unwrap().entries
    }

    #[tokio::test]
    async fn what_was_recorded_is_there_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let directory = SessionDirectory::open(folder.path().to_owned()).unwrap();
        assert_eq!(directory.load("01A").await.unwrap(), None);
        directory.save(&session()).await.unwrap();
        directory.record("01A", &[entry(1, "a"), entry(2, "b")]).await.unwrap();
        // A later entry of the same number replaces the earlier one.
        directory.record("01A", &[entry(2, "c")]).await.unwrap();
        assert_eq!(entries(folder.path()).await, [entry(1, "a"), entry(2, "c")]);
        // The ledger is in the session when that is saved as a whole, and older lines never win.
        let mut whole = directory.load("01A").await.unwrap().unwrap();
        whole.entries = vec![entry(1, "d")];
        directory.save(&whole).await.unwrap();
        assert_eq!(entries(folder.path()).await, [entry(1, "d")]);
        directory.record("01A", &[entry(3, "e")]).await.unwrap();
        assert_eq!(entries(folder.path()).await, [entry(1, "d"), entry(3, "e")]);
    }

    #[tokio::test]
    async fn half_a_line_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let directory = SessionDirectory::open(folder.path().to_owned()).unwrap();
        directory.save(&session()).await.unwrap();
        directory.record("01A", &[entry(1, "a")]).await.unwrap();
        let file = directory.ledger_file("01A", 0);
        let mut torn = std::fs::read(&file).unwrap();
        torn.extend(&torn.clone()[..20]);
        std::fs::write(&file, torn).unwrap();
        assert_eq!(entries(folder.path()).await, [entry(1, "a")]);
        let next = SessionDirectory::open(folder.path().to_owned()).unwrap();
        next.record("01A", &[entry(2, "b")]).await.unwrap();
        assert_eq!(entries(folder.path()).await, [entry(1, "a"), entry(2, "b")]);
    }

    #[tokio::test]
    async fn a_router_is_one_session_s_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = [(); 2].map(|()| SessionDirectory::open(folder.path().to_owned()).unwrap());
        assert_eq!(here.claim("r:1", "a").await.unwrap(), None);
        assert_eq!(here.claim("r:1", "a").await.unwrap(), None);
        assert_eq!(there.claim("r:1", "b").await.unwrap().as_deref(), Some("a"));
        assert_eq!(there.claim("r:2", "b").await.unwrap(), None);
        here.release("r:1", "a").await.unwrap();
        assert_eq!(there.claim("r:1", "b").await.unwrap(), None);
    }
}
