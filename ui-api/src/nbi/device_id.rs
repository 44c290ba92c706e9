//! Device IDs as clients send them.
//!
//! An ID contains percent signs of its own (`0A1B2C-P%20C-S%2D1`), which must be encoded once more in a URL. Many clients get
//! that wrong: they encode too little, so that the server decodes the ID's own escapes; or twice; or their library "normalises"
//! `%2D` to `-` on the way. So an ID that is not there as it was received is looked for in the other forms that it may come
//! from. Only a single match counts.

use acs_core::query::{Operand, Query};
use acs_core::rpc::DeviceIdStruct;
use store::{Find, ScopedStore};

use super::target::{Segment, decode};
use crate::answer::Refusal;

/// Texts with more hyphens are not taken apart: the number of ways grows with the square.
const MAX_HYPHENS: usize = 24;

/// A device that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its ID.
    pub id: String,
    /// Whether the ID had to be guessed.
    pub guessed: bool,
}

impl Found {
    /// What the client should know, for a `Warning` header.
    pub fn warning(&self) -> Option<String> {
        let advice = || format!("the device ID was understood as {}; encode its percent signs as %25", self.id);
        self.guessed.then(advice)
    }
}

/// Finds the device that an ID means. `Ok(None)`: none. [`Refusal::Conflict`]: several.
pub async fn resolve(store: &ScopedStore, given: &Segment) -> Result<Option<Found>, Refusal> {
    if store.count_devices(Query::equal("_id", given.text.as_str())).await? > 0 {
        return Ok(Some(Found { id: given.text.clone(), guessed: false }));
    }
    let candidates = candidates(given);
    if candidates.is_empty() {
        return Ok(None);
    }
    let values = candidates.into_iter().map(Operand::Text).collect();
    let filter = Query::In { field: "_id".to_owned(), values };
    let found = store.find_devices(Find { filter, limit: Some(5), ..Find::default() }).await?.collect().await?;
    match found.as_slice() {
        [] => Ok(None),
        [device] => Ok(Some(Found { id: device.head.id.clone(), guessed: true })),
        several => {
            let ids: Vec<&str> = several.iter().map(|device| device.head.id.as_str()).collect();
            Err(Refusal::Conflict(format!(
                "Ambiguous device ID: it may mean {}; encode its percent signs as %25",
                ids.join(" or ")
            )))
        }
    }
}

/// The same, where no device is a refusal.
pub async fn require(store: &ScopedStore, given: &Segment) -> Result<Found, Refusal> {
    resolve(store, given).await?.ok_or(Refusal::Missing("No such device"))
}

/// Other IDs that may have been meant.
fn candidates(given: &Segment) -> Vec<String> {
    let twice = decode(&given.text);
    let mut list = vec![twice.clone(), given.raw.clone()];
    regroup(&given.text, &mut list);
    if twice != given.text {
        regroup(&twice, &mut list);
    }
    list.sort_unstable();
    list.dedup();
    list.retain(|candidate| *candidate != given.text);
    list
}

/// Takes an ID without escapes apart in every way in which hyphens may have separated OUI, product class and serial number, and
/// writes each as it should be.
fn regroup(text: &str, list: &mut Vec<String>) {
    let hyphens: Vec<usize> = text.match_indices('-').map(|(place, _)| place).collect();
    if hyphens.len() > MAX_HYPHENS {
        return;
    }
    let mut add = |oui: &str, product_class: &str, serial_number: &str| {
        if !oui.is_empty() && !serial_number.is_empty() {
            let identity = DeviceIdStruct {
                manufacturer: String::new(),
                oui: oui.to_owned(),
                product_class: product_class.to_owned(),
                serial_number: serial_number.to_owned(),
            };
            list.push(identity.device_id());
        }
    };
    for (index, &first) in hyphens.iter().enumerate() {
        add(&text[..first], "", &text[first + 1..]);
        for &second in &hyphens[index + 1..] {
            add(&text[..first], &text[first + 1..second], &text[second + 1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_mistake_leads_to_the_id() {
        let id = "0A1B2C-Home%20Box%2D2-SN%2D0%2E1";
        // The segment as it stands in the URL.
        let mistakes = [
            // Encoded too little.
            "0A1B2C-Home%20Box%2D2-SN%2D0%2E1",
            // The same after a library has decoded what needs no encoding.
            "0A1B2C-Home%20Box-2-SN-0.1",
            // Encoded twice.
            "0A1B2C-Home%252520Box%25252D2-SN%25252D0%25252E1",
            // Hyphens were lost before it was encoded properly.
            "0A1B2C-Home%2520Box-2-SN-0.1",
            // Only the hyphens between the parts were encoded, too.
            "0A1B2C%2DHome%20Box%2D2%2DSN%2D0%2E1",
        ];
        for raw in mistakes {
            let given = Segment { raw: raw.to_owned(), text: decode(raw) };
            assert!(candidates(&given).contains(&id.to_owned()), "{raw}: {:?}", candidates(&given));
        }
    }

    #[test]
    fn a_text_of_hyphens_makes_no_work() {
        let text = "-".repeat(10_000);
        let given = Segment { raw: text.clone(), text };
        assert!(candidates(&given).len() < 3);
    }
}
