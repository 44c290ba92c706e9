//! What every store asks of a ledger's entries.

use crate::{MAX_LEDGER_ENTRY, StoreError};

/// Whether all entries can be kept.
pub fn check_entries(ledger: &str, entries: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
    let refused = |sequence: u64, reason: String| {
        Err(StoreError::Invalid { what: format!("entry {sequence} of ledger {ledger}"), reason })
    };
    for (sequence, content) in entries {
        if content.len() > MAX_LEDGER_ENTRY {
            let reason = format!("it has {} bytes; at most {MAX_LEDGER_ENTRY} are kept", content.len());
            return refused(*sequence, reason);
        }
        if i64::try_from(*sequence).is_err() {
            return refused(*sequence, "its sequence is too great".to_owned());
        }
    }
    Ok(())
}
