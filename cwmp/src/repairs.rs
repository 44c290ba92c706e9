//! What had to be forgiven in devices' messages, per model: each kind of repair is logged once, and counted from then on.
//!
//! Devices choose what they call themselves, so the number of models that are told apart is bounded; the others are counted together.

use std::collections::{BTreeMap, btree_map};

use acs_core::rpc::Inform;
use parking_lot::Mutex;

use crate::soap::Repair;

/// So many models are told apart.
pub const MAX_MODELS: usize = 1_000;
/// So much is kept of each name and of each example.
const MAX_CHARACTERS: usize = 128;

/// What devices have in common that err in the same ways.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Model {
    /// Manufacturer.
    pub manufacturer: String,
    /// OUI.
    pub oui: String,
    /// ProductClass.
    pub product_class: String,
    /// SoftwareVersion.
    pub software_version: String,
}

impl Model {
    /// As an Inform tells it; its parts are cut when they are long.
    pub fn of(inform: &Inform) -> Model {
        let version = inform.parameter_list.iter().find(|(name, _)| name.ends_with(".DeviceInfo.SoftwareVersion"));
        let identity = &inform.device_id;
        Model {
            manufacturer: cut(&identity.manufacturer),
            oui: cut(&identity.oui),
            product_class: cut(&identity.product_class),
            software_version: version.map(|(_, value)| cut(&value.0.to_text())).unwrap_or_default(),
        }
    }
}

/// How often something was forgiven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairCount {
    /// The messages in which it was.
    pub messages: u64,
    /// The first case: the message's name and what was wrong in it.
    pub first: String,
}

/// The repairs of one model, by kind ([`Repair::kind`]).
pub type ModelRepairs = BTreeMap<&'static str, RepairCount>;

/// All that was forgiven since the start.
#[derive(Debug, Default)]
pub struct RepairBook(Mutex<BTreeMap<Model, ModelRepairs>>);

impl RepairBook {
    /// Counts a message's repairs. Returns those of a kind that is new for the model.
    pub fn note<'r>(&self, model: &Model, message: &str, repairs: &'r [Repair]) -> Vec<&'r Repair> {
        if repairs.is_empty() {
            return Vec::new();
        }
        let mut book = self.0.lock();
        let others = Model::default();
        let model = if book.len() >= MAX_MODELS && !book.contains_key(model) { &others } else { model };
        let known = match book.get_mut(model) {
            Some(known) => known,
            None => book.entry(model.clone()).or_default(),
        };
        let mut new = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for repair in repairs {
            let kind = repair.kind();
            if seen.contains(&kind) {
                continue;
            }
            seen.push(kind);
            match known.entry(kind) {
                btree_map::Entry::Occupied(mut entry) => entry.get_mut().messages += 1,
                btree_map::Entry::Vacant(entry) => {
                    entry.insert(RepairCount { messages: 1, first: cut(&format!("{message}: {repair}")) });
                    new.push(repair);
                }
            }
        }
        new
    }

    /// What was counted so far.
    pub fn list(&self) -> Vec<(Model, ModelRepairs)> {
        self.0.lock().iter().map(|(model, repairs)| (model.clone(), repairs.clone())).collect()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(product_class: &str) -> Model {
        Model { product_class: product_class.to_owned(), ..Model::default() }
    }

    #[test]
    fn a_kind_of_repair_is_new_once_per_model_and_counted_per_message() {
        let book = RepairBook::default();
        let missing = |name: &str| Repair::MissingValue(name.into());
        let first = [missing("A"), missing("B"), Repair::MissingID];
        assert_eq!(book.note(&model("x"), "Inform", &first), [&missing("A"), &Repair::MissingID]);
        assert!(book.note(&model("x"), "Inform", &[missing("C")]).is_empty());
        assert_eq!(book.note(&model("y"), "Inform", &[missing("A")]).len(), 1);
        let list = book.list();
        let counts: Vec<u64> = list[0].1.values().map(|count| count.messages).collect();
        assert_eq!((list.len(), counts), (2, vec![1, 2]));
        assert_eq!(list[0].1["missing-value"].first, "Inform: A has no Value");
    }

    #[test]
    fn models_beyond_the_limit_are_counted_together() {
        let book = RepairBook::default();
        for index in 0..MAX_MODELS + 500 {
            book.note(&model(&index.to_string()), "Inform", &[Repair::MissingID]);
        }
        let list = book.list();
        assert_eq!(list.len(), MAX_MODELS + 1);
        assert_eq!(list[0].1["missing-id"].messages, 500);
    }
}
