//! After an interruption: what became of the commands of which nobody knows whether they were carried out.

use super::{ApplyError, Orchestrator, is_open, rows};
use crate::ledger::{Deed, Entry, EntryState};

impl Orchestrator<'_> {
    /// Reads the router and decides for each entry that was sent and not confirmed. Afterwards none is open.
    ///
    /// # Errors
    /// When the router cannot be read, or the ledger not be kept.
    pub async fn reconcile(&self, entries: &mut [Entry]) -> Result<(), ApplyError> {
        let open: Vec<&Entry> = entries.iter().filter(|entry| is_open(entry)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let router = self.read_for(&open).await?;
        let mut settled = Vec::new();
        for number in 0..entries.len() {
            if !is_open(&entries[number]) {
                continue;
            }
            let others: Vec<&str> = entries
                .iter()
                .enumerate()
                .filter(|(other, entry)| *other != number && entry.path == entries[number].path)
                .filter_map(|(_, entry)| entry.id.as_deref())
                .collect();
            let entry = &entries[number];
            let (is_done, id) = match &entry.deed {
                Deed::Add { .. } => {
                    let row = rows::added(entry, &router, &others);
                    (row.is_some(), row.and_then(|row| row.id.clone()))
                }
                // Also when it was done in part: then it has to be undone.
                Deed::Set { .. } => {
                    let row = rows::worked_on(entry, &router);
                    (row.is_some_and(|row| !rows::is_as_before(entry, row)), entry.id.clone())
                }
                Deed::Remove { .. } => (rows::worked_on(entry, &router).is_none(), entry.id.clone()),
                // A row that stands where it stood is moved back to just there.
                Deed::Move { .. } => (true, entry.id.clone()),
                // Commands are such as may be run again.
                Deed::Run { .. } => (false, entry.id.clone()),
            };
            let entry = &mut entries[number];
            entry.state = if is_done { EntryState::Confirmed } else { EntryState::Failed };
            entry.id = id.or(entry.id.take());
            if !is_done {
                entry.error.get_or_insert_with(|| "interrupted, and not carried out".to_owned());
            }
            settled.push(entry.clone());
        }
        self.sink.record(&settled).await?;
        Ok(())
    }
}
