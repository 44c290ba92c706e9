//! Which row of the router an entry of the ledger is about. Pure.

use crate::compare::is_same;
use crate::ledger::{Deed, Entry, Written};
use crate::snapshot::{Found, Snapshot};

/// The row that an entry added, as far as the router has it. `others` are the ids of rows that are something else.
pub(super) fn added<'a>(entry: &Entry, router: &'a Snapshot, others: &[&str]) -> Option<&'a Found> {
    let rows = router.rows(&entry.path);
    let by_id = entry.id.as_deref().and_then(|id| router.row(&entry.path, Some(id)));
    if let Some(row) = by_id.filter(|row| is_it(entry, row)) {
        return Some(row);
    }
    // After a restart of the router, or when no reply told the id.
    rows.iter().filter(|row| row.id.as_deref().is_some_and(|id| !others.contains(&id))).find(|row| {
        let has_comment =
            entry.comment.as_deref().is_none_or(|comment| row.value("comment") == Some(comment.as_bytes()));
        has_comment && has_key(entry, row)
    })
}

/// All rows that an entry added: a command whose reply was lost may have been sent again and carried out twice.
pub(super) fn all_added<'a>(entry: &Entry, router: &'a Snapshot, others: &[&str]) -> Vec<&'a Found> {
    let Some(first) = added(entry, router, others) else { return Vec::new() };
    let is_twin = |row: &&Found| {
        let is_free = row.id != first.id && row.id.as_deref().is_some_and(|id| !others.contains(&id));
        is_free && entry.comment.is_some() && has_tag(entry, row) && has_key(entry, row)
    };
    std::iter::once(first).chain(router.rows(&entry.path).iter().filter(is_twin)).collect()
}

/// The row that an entry changed, removed or moved.
pub(super) fn worked_on<'a>(entry: &Entry, router: &'a Snapshot) -> Option<&'a Found> {
    match entry.id.as_deref() {
        None => router.row(&entry.path, None),
        Some(id) => {
            let by_id = router.row(&entry.path, Some(id)).filter(|row| is_it(entry, row));
            by_id.or_else(|| {
                router
                    .rows(&entry.path)
                    .iter()
                    .find(|row| !entry.key.is_empty() && has_key(entry, row) && has_tag(entry, row))
            })
        }
    }
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

/// A row with the entry's id may be another one after a reset. Tag or key tell; both may have been changed by hand.
fn is_it(entry: &Entry, row: &Found) -> bool {
    let is_unknown = entry.comment.is_none() && entry.key.iter().all(|(_, value)| value.is_secret());
    is_unknown || entry.comment.is_some() && has_tag(entry, row) || has_key(entry, row)
}

fn has_tag(entry: &Entry, row: &Found) -> bool {
    entry.comment.as_deref().is_none_or(|comment| row.value("comment") == Some(comment.as_bytes()))
}

fn has_key(entry: &Entry, row: &Found) -> bool {
    let mut readable = entry.key.iter().filter(|(_, value)| !value.is_secret()).peekable();
    readable.peek().is_some()
        && readable.all(|(name, value)| is_same(&entry.path, name, value.bytes(), row.value(name)))
}
