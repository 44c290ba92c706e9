//! Names of sessions: ULIDs, which sort by time. Twenty-six letters and digits, so that a tag is never too long for a comment.

const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new ULID of this moment, in milliseconds since 1970.
///
/// # Errors
/// When the system has no randomness.
pub fn new_id(now: u64) -> Result<String, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    Ok(write(now, random))
}

fn write(now: u64, random: [u8; 10]) -> String {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&now.to_be_bytes()[2..]);
    bytes[6..].copy_from_slice(&random);
    let number = u128::from_be_bytes(bytes);
    (0..26).rev().map(|place| char::from(LETTERS[(number >> (place * 5)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ulids() {
        assert_eq!(write(1_469_918_176_385, [0; 10]), "01ARYZ6S410000000000000000");
        assert_eq!(write((1 << 48) - 1, [255; 10]), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_ne!(new_id(1).unwrap(), new_id(1).unwrap());
        assert!(new_id(2).unwrap() > new_id(1).unwrap());
    }
}
