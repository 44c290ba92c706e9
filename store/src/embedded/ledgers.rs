//! Ledgers: entries by their sequence.

use rusqlite::{Connection, params};

use super::failed;
use crate::StoreError;

pub fn record(connection: &Connection, ledger: &str, entries: &[(u64, Vec<u8>)]) -> Result<(), StoreError> {
    let doing = failed("recording entries");
    let mut statement = connection
        .prepare_cached(
            "INSERT INTO ledger_entry (ledger, sequence, content) VALUES (?1, ?2, ?3)
             ON CONFLICT (ledger, sequence) DO UPDATE SET content = ?3",
        )
        .map_err(&doing)?;
    for (sequence, content) in entries {
        statement.execute(params![ledger, sequence.cast_signed(), content]).map_err(&doing)?;
    }
    Ok(())
}

pub fn entries(connection: &Connection, ledger: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let doing = failed("reading a ledger");
    let mut statement = connection
        .prepare_cached("SELECT sequence, content FROM ledger_entry WHERE ledger = ?1 ORDER BY sequence")
        .map_err(&doing)?;
    let rows = statement.query_map([ledger], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(&doing)
}

pub fn forget(connection: &Connection, ledger: &str) -> Result<u64, StoreError> {
    let rows = connection.execute("DELETE FROM ledger_entry WHERE ledger = ?1", [ledger]);
    rows.map(|rows| rows as u64).map_err(failed("forgetting a ledger"))
}
