//! Which row of the router an entry of the ledger is about. Pure.

use crate::compare::is_same;
use crate::ledger::{Deed, Entry, Written};
use crate::snapshot::{Found, Snapshot};

/// The row that an entry added, as far as the router has it. `others` are the ids of rows of the menu that are something else.
pub(super) fn added<'a>(entry: &Entry, router: &'a Snapshot, others: &[&str]) -> Option<&'a Found> {
    let identity = entry.identity();
    let by_id = entry.id.as_deref().and_then(|id| router.row(&entry.path, Some(id)));
    by_id.filter(|row| identity.is(row)).or_else(|| {
        // After a restart of the router, or when no reply told the id.
        let mut free = router.rows(&entry.path).iter().filter(|row| is_free(row, others));
        free.find(|row| identity.has_comment(row) && identity.has_key(row))
    })
}

/// All rows that an entry added: a command whose reply was lost may have been sent again and carried out twice.
pub(super) fn all_added<'a>(entry: &Entry, router: &'a Snapshot, others: &[&str]) -> Vec<&'a Found> {
    let Some(first) = added(entry, router, others) else { return Vec::new() };
    let identity = entry.identity();
    let is_twin = |row: &&Found| {
        let is_tagged = entry.comment.is_some() && identity.has_comment(row);
        row.id != first.id && is_free(row, others) && is_tagged && identity.has_key(row)
    };
    std::iter::once(first).chain(router.rows(&entry.path).iter().filter(is_twin)).collect()
}

/// The row that an entry changed, removed or moved.
pub(super) fn worked_on<'a>(entry: &Entry, router: &'a Snapshot) -> Option<&'a Found> {
    let Some(id) = entry.id.as_deref() else { return router.row(&entry.path, None) };
    let identity = entry.identity();
    let by_id = router.row(&entry.path, Some(id)).filter(|row| identity.is(row));
    by_id.or_else(|| router.rows(&entry.path).iter().find(|row| identity.has_comment(row) && identity.has_key(row)))
}

/// Whether a row has all values that were written and can be read.
pub(super) fn has_written(path: &str, written: &[(String, Written)], row: &Found) -> bool {
    written.iter().all(|(name, written)| match written {
        Written::Plain(text) => is_same(path, name, text.as_bytes(), row.value(name)),
        Written::Secret { .. } => true,
    })
}

/// Whether a row has all values that were there before a change.
pub(super) fn is_as_before(entry: &Entry, row: &Found) -> bool {
    let Deed::Set { before, .. } = &entry.deed else { return true };
    before.iter().all(|(name, before)| match before {
        Some(before) => is_same(&entry.path, name, before.bytes(), row.value(name)),
        None => row.value(name).is_none_or(<[u8]>::is_empty),
    })
}

fn is_free(row: &Found, others: &[&str]) -> bool {
    row.id.as_deref().is_some_and(|id| !others.contains(&id))
}
