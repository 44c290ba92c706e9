//! Commands of single menus: certificates, files, scripts, restarts, and those that report for a while.

use routeros_schema::Menu;

use super::refusal::Refusal;
use super::row::{Row, Value};
use super::{Fields, Outcome, Reply, Router, certificates, dynamic};
use crate::routeros::request::Request;

/// A command that takes a while: rows come one after the other, then it is finished.
#[derive(Debug)]
pub struct Work {
    /// The rows.
    pub rows: Vec<Fields>,
    /// How long all of it takes.
    pub takes: std::time::Duration,
    finish: Finish,
}

/// What happens at the end.
#[derive(Debug)]
enum Finish {
    /// Nothing.
    Report,
    /// A certificate is signed, by this one or by itself.
    Sign { id: u32, ca: Option<u32> },
}

/// The bytes that one `/file/read` gives at most.
const CHUNK: usize = 32 * 1024;

impl Router {
    /// Commands that only some menus have.
    pub(super) fn special(&mut self, menu: &Menu, command: &str, request: &Request) -> Result<Outcome, Refusal> {
        let done = Ok(Outcome::Done(Reply::default()));
        match (menu.path, command) {
            ("/certificate", "sign") => {
                let id = self.only_item(menu, request)?;
                let ca = certificates::issuer_of(&self.state, request)?;
                let takes = self.options.sign_time;
                Ok(Outcome::Work(Work { rows: certificates::progress(), takes, finish: Finish::Sign { id, ca } }))
            }
            ("/certificate", "import") => self.import_certificates(request).map(Outcome::from),
            ("/certificate", "export-certificate") => {
                let ids: Vec<u32> = self.items(menu, request)?.into_iter().map(|(_, id)| id).collect();
                self.export_certificate(&ids, request).map(Outcome::from)
            }
            ("/certificate", "enable-ssl-certificate") => {
                // Nobody signs for a router that is not on the Internet.
                Ok(report([("progress", "failed to connect to the ACME server".to_owned())], self.options.sign_time))
            }
            ("/system", "reboot" | "shutdown") => Ok(Outcome::Restart),
            ("/system/script", "run") => {
                let id = self.only_item(menu, request)?;
                let now = self.now().format("%Y-%m-%d %H:%M:%S").to_string();
                self.edit(menu.path, id, |_, row| {
                    let count: u64 = row.facts.get("run-count").and_then(|count| count.parse().ok()).unwrap_or(0);
                    row.note("run-count", (count + 1).to_string());
                    row.note("last-started", now);
                    Ok(())
                })?;
                done
            }
            ("/system/backup", "save") => {
                let name = request.text("name").unwrap_or_else(|| "router".to_owned());
                let contents = self.dump().into_bytes();
                self.keep_file(&format!("{name}.backup"), contents)?;
                done
            }
            ("/system/package/update", "check-for-updates") => Ok(report(
                [
                    ("installed-version", self.version()),
                    ("latest-version", self.version()),
                    ("status", "System is already up to date".to_owned()),
                ],
                self.options.sign_time,
            )),
            ("/system/device-mode", "update") => {
                let text = "please activate by turning power off or pressing reset or mode button in 5m00s";
                Ok(report([("update", text.to_owned())], self.options.sign_time))
            }
            ("/file", "read") => self.read_file(request).map(Outcome::from),
            (_, "monitor" | "monitor-traffic") => {
                let (home, id) = match request.text("interface") {
                    Some(name) => self.items(menu, &Request::from_words(&["", &format!("=.id={name}")]))?,
                    None => self.items(menu, request)?,
                }
                .swap_remove(0);
                let row = self.state.row(&home, id).ok_or_else(Refusal::no_item)?;
                let running = super::interfaces::is_running(&self.state, &home, row);
                let status = if running { "connected" } else { "disabled" };
                let name = row.text("name").unwrap_or_default();
                Ok(Reply { rows: vec![dynamic::fields([("name", name), ("status", status.to_owned())])], ret: None }
                    .into())
            }
            (_, "renew" | "release" | "flush" | "force-update" | "reset-counters" | "reset-counters-all") => done,
            _ => Err(Refusal::failure("the simulated router cannot do this")),
        }
    }

    /// The end of a command that took a while.
    ///
    /// # Errors
    /// When it fails at last.
    pub fn finish(&mut self, work: Work) -> Result<Reply, Refusal> {
        match work.finish {
            Finish::Report => Ok(Reply::default()),
            Finish::Sign { id, ca } => self.sign(id, ca),
        }
    }

    /// The configuration as text, into a file when one is named; the API gives it in no other way.
    pub(super) fn export(&mut self, request: &Request) -> Result<Outcome, Refusal> {
        if let Some(name) = request.text("file") {
            let contents = self.dump().into_bytes();
            self.keep_file(&format!("{name}.rsc"), contents)?;
            self.changed();
        }
        Ok(Outcome::Done(Reply::default()))
    }

    /// Writes a file, as a user could with `/file/add`.
    pub(super) fn write_file(&mut self, name: &str, contents: Vec<u8>) -> Result<(), Refusal> {
        self.keep_file(name, contents)
    }

    /// Keeps a file of any size; one of this name is replaced.
    fn keep_file(&mut self, name: &str, contents: Vec<u8>) -> Result<(), Refusal> {
        if self.options.full_disk {
            return Err(Refusal::failure("not enough space on disk"));
        }
        let mut row = Row { id: self.state.next_id("/file"), ..Row::default() };
        row.put("name", name);
        row.note("size", contents.len().to_string());
        row.note("type", name.rsplit_once('.').map_or("file", |(_, ending)| ending));
        row.note("last-modified", self.now().format("%Y-%m-%d %H:%M:%S").to_string());
        row.values.insert("contents".to_owned(), Value::Bytes(contents));
        let files = self.state.rows_mut("/file");
        files.retain(|file| file.text("name").as_deref() != Some(name));
        files.push(row);
        Ok(())
    }

    fn read_file(&self, request: &Request) -> Result<Reply, Refusal> {
        let name = request.text("file").ok_or_else(|| Refusal::missing(&["file"]))?;
        let row = self.state.find("/file", "name", &name).ok_or_else(Refusal::no_item)?;
        let contents = match row.values.get("contents") {
            Some(Value::Bytes(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        let number = |name: &str| request.text(name).and_then(|text| text.parse::<usize>().ok());
        let rest = contents.get(number("offset").unwrap_or(0)..).unwrap_or_default();
        let size = number("chunk-size").unwrap_or(CHUNK).min(CHUNK).min(rest.len());
        let row = Fields::from([("data".to_owned(), rest[..size].to_vec())]);
        Ok(Reply { rows: vec![row], ret: None })
    }

    /// The one row that a command works on which cannot work on several.
    fn only_item(&self, menu: &Menu, request: &Request) -> Result<u32, Refusal> {
        match self.items(menu, request)?.as_slice() {
            [(_, id)] => Ok(*id),
            _ => Err(Refusal::value("invalid value for argument number")),
        }
    }
}

fn report<const N: usize>(row: [(&str, String); N], takes: std::time::Duration) -> Outcome {
    Outcome::Work(Work { rows: vec![dynamic::fields(row)], takes, finish: Finish::Report })
}
