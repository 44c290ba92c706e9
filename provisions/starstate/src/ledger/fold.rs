//! What of ours is on a router: the sum of all entries. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Deed, Entry, EntryState, Kept, Written};
use crate::phase::Phase;

/// Something that we did to a router and that still stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// The step that made it, or last changed it.
    pub step: String,
    /// The resource of the document.
    pub resource: String,
    /// The phase of its path.
    pub phase: Phase,
    /// The menu.
    pub path: String,
    /// What identifies the row besides its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<(String, Kept)>,
    /// The row's id when it was last seen; `None` for the one row of a menu of settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The comment that it carries, when it has our tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Holdings are given back in the order of falling ranks; those of one rank do not depend on each other.
    pub rank: u64,
    /// What it is.
    pub held: Held,
    /// What we wrote, by argument.
    pub written: BTreeMap<String, Written>,
}

/// What we did to a router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "kebab-case")]
pub enum Held {
    /// A row that we added.
    Created,
    /// A row of somebody else, or settings, with values of ours.
    Changed {
        /// What stood there before us; `None` for what was unset.
        originals: BTreeMap<String, Option<Kept>>,
    },
    /// A row of somebody else that we removed.
    Removed {
        /// What was in it.
        row: Vec<(String, Kept)>,
    },
    /// A command that was run.
    Ran {
        /// Its name.
        command: String,
    },
}

/// Adds entries, in the order of their sequence, to what was there before. Entries that were taken back, or did nothing, add
/// nothing.
pub fn fold(base: &[Holding], entries: &[Entry]) -> Vec<Holding> {
    let mut holdings = base.to_vec();
    let first_rank = base.iter().map(|holding| holding.rank).max().map_or(0, |rank| rank + 1);
    let mut entries: Vec<&Entry> = entries.iter().filter(|entry| entry.is_effective()).collect();
    entries.sort_by_key(|entry| entry.sequence);
    for entry in entries {
        add(&mut holdings, entry, first_rank);
    }
    holdings
}

fn add(holdings: &mut Vec<Holding>, entry: &Entry, first_rank: u64) {
    let place = holdings.iter().position(|holding| holding.is_of(entry));
    if entry.gives_back {
        // What is still being given back is still ours, unless it is known to be gone.
        if let Some(place) = place.filter(|_| entry.state == EntryState::Confirmed) {
            holdings.remove(place);
        }
        return;
    }
    let holding = |held: Held| Holding {
        step: entry.step.clone(),
        resource: entry.resource.clone(),
        phase: entry.phase,
        path: entry.path.clone(),
        key: entry.key.clone(),
        id: entry.id.clone(),
        comment: entry.comment.clone(),
        rank: first_rank + u64::from(entry.wave),
        held,
        written: entry.deed.written().iter().cloned().collect(),
    };
    match (&entry.deed, place) {
        (Deed::Add { .. }, _) => holdings.push(holding(Held::Created)),
        (Deed::Set { before, .. }, None) => {
            let originals = before.iter().cloned().collect();
            holdings.push(holding(Held::Changed { originals }));
        }
        (Deed::Set { before, written }, Some(place)) => {
            let known = &mut holdings[place];
            if let Held::Changed { originals } = &mut known.held {
                for (name, value) in before {
                    originals.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            known.written.extend(written.iter().cloned());
            known.step.clone_from(&entry.step);
            known.resource.clone_from(&entry.resource);
            known.key.clone_from(&entry.key);
            known.comment = entry.comment.clone().or(known.comment.take());
            known.id.clone_from(&entry.id);
        }
        (Deed::Remove { .. }, Some(place)) if holdings[place].held == Held::Created => drop(holdings.remove(place)),
        (Deed::Remove { row, .. }, _) => holdings.push(holding(Held::Removed { row: row.clone() })),
        (Deed::Run { command, .. }, _) => holdings.push(holding(Held::Ran { command: command.clone() })),
        (Deed::Move { .. }, _) => {}
    }
}

impl Holding {
    /// The certificate that a command has imported.
    pub(crate) fn imported(&self) -> Option<String> {
        let Held::Ran { command } = &self.held else { return None };
        super::imported(&self.path, command, self.written.iter().map(|(name, value)| (name.as_str(), value)))
    }

    /// Whether an entry works on what this is.
    fn is_of(&self, entry: &Entry) -> bool {
        match self.held {
            Held::Ran { .. } => entry.step == self.step && matches!(entry.deed, Deed::Run { .. }),
            // It comes back as a new row.
            Held::Removed { .. } => entry.gives_back && entry.step == self.step && entry.key == self.key,
            Held::Created | Held::Changed { .. } => {
                let works_on_rows = !matches!(entry.deed, Deed::Add { .. } | Deed::Run { .. });
                works_on_rows && entry.path == self.path && entry.id == self.id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, id: Option<&str>, deed: Deed) -> Entry {
        Entry {
            sequence,
            wave: sequence as u32,
            step: format!("step-{sequence}"),
            resource: "r".into(),
            phase: Phase::InterfaceSetup,
            path: "/x".into(),
            key: Vec::new(),
            id: id.map(str::to_owned),
            comment: None,
            deed,
            gives_back: false,
            state: EntryState::Confirmed,
            error: None,
        }
    }

    fn set(name: &str, before: Option<&str>, after: &str) -> Deed {
        Deed::Set {
            before: vec![(name.into(), before.map(Kept::plain))],
            written: vec![(name.into(), Written::Plain(after.into()))],
        }
    }

    fn added() -> Deed {
        Deed::Add { written: vec![("a".into(), Written::Plain("1".into()))] }
    }

    #[test]
    fn a_row_of_ours_stays_ours_when_it_is_changed() {
        let entries = [entry(1, Some("*1"), added()), entry(2, Some("*1"), set("a", Some("1"), "2"))];
        let holdings = fold(&[], &entries);
        assert_eq!(holdings.len(), 1);
        assert_eq!(holdings[0].held, Held::Created);
        assert_eq!(holdings[0].written["a"], Written::Plain("2".into()));
        assert_eq!(holdings[0].rank, 1);
    }

    #[test]
    fn the_first_value_before_us_is_kept() {
        let entries = [entry(1, None, set("a", None, "1")), entry(2, None, set("a", Some("1"), "2"))];
        let first = fold(&[], &entries[..1]);
        for holdings in [fold(&[], &entries), fold(&first, &entries[1..])] {
            assert_eq!(holdings.len(), 1);
            assert_eq!(holdings[0].held, Held::Changed { originals: [("a".to_owned(), None)].into() });
        }
    }

    #[test]
    fn what_is_removed_was_ours_or_somebody_elses() {
        let remove = Deed::Remove { row: vec![("a".into(), Kept::plain("1"))], next: None };
        let ours = [entry(1, Some("*1"), added()), entry(2, Some("*1"), remove.clone())];
        assert_eq!(fold(&[], &ours), []);
        let theirs = fold(&[], &[entry(1, Some("*1"), remove)]);
        assert!(matches!(theirs[0].held, Held::Removed { .. }));
    }

    #[test]
    fn what_is_given_back_is_no_longer_held() {
        let base = fold(&[], &[entry(1, None, set("a", None, "1"))]);
        let mut back = Entry { gives_back: true, ..entry(2, None, set("a", Some("1"), "")) };
        assert_eq!(fold(&base, std::slice::from_ref(&back)), []);
        back.state = EntryState::Sent;
        assert_eq!(fold(&base, std::slice::from_ref(&back)), base);
    }

    #[test]
    fn what_was_taken_back_or_refused_does_not_count() {
        for state in [EntryState::Undone, EntryState::Failed] {
            assert_eq!(fold(&[], &[Entry { state, ..entry(1, Some("*1"), added()) }]), []);
        }
        let kept = Entry { state: EntryState::NotUndone, ..entry(1, Some("*1"), added()) };
        assert_eq!(fold(&[], &[kept]).len(), 1);
    }

    #[test]
    fn later_sessions_have_higher_ranks() {
        let base = fold(&[], &[entry(7, Some("*1"), added())]);
        let holdings = fold(&base, &[entry(1, Some("*2"), added())]);
        assert!(holdings[1].rank > holdings[0].rank);
    }

    #[test]
    fn entries_and_holdings_survive_being_stored() {
        let entries = [
            entry(1, Some("*1"), added()),
            entry(2, None, set("a", None, "1")),
            entry(
                3,
                Some("*2"),
                Deed::Remove { row: vec![("p".into(), Kept::new("s", true))], next: Some("*3".into()) },
            ),
            entry(4, Some("*1"), Deed::Move { next: None }),
            entry(5, None, Deed::Run { command: "sign".into(), written: vec![], files: vec![] }),
        ];
        let text = serde_json::to_string(&entries).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&text).unwrap(), entries);
        let holdings = fold(&[], &entries);
        let text = serde_json::to_string(&holdings).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Holding>>(&text).unwrap(), holdings);
        let masked = serde_json::to_string(&entries.map(|entry| entry.masked())).unwrap();
        assert!(!masked.contains(r#""s""#), "{masked}");
    }
}
