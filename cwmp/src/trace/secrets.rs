//! The secret values that a session has seen, which must not be in what scripts, faults and devices say in their own words.
//!
//! Values are learnt while they can be: the tree's when there is something to say, those of a request when it is sent, with the tree's
//! that they replace, those of an answer when it comes.

use std::collections::BTreeSet;

use acs_core::rpc::{AcsRequest, CpeResponse, DUOperation};
use acs_core::secret::is_secret;
use acs_core::session::Session;
use acs_core::tree::DeviceTree;
use acs_core::value::TypedValue;
use serde::{Deserialize, Serialize};

use super::CUT;

/// What stands for a secret.
const MASK: &str = "***";
/// Shorter ones are not looked for: they would be found everywhere.
const SHORTEST: usize = 4;

/// Secret values.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Secrets {
    known: BTreeSet<String>,
    knows_tree: bool,
}

impl Secrets {
    /// What the device's tree holds. What comes later is learnt from requests and answers.
    pub(super) fn learn_tree(&mut self, session: &Session) {
        if self.knows_tree {
            return;
        }
        self.knows_tree = true;
        let tree = session.tree();
        for id in tree.descendants(DeviceTree::ROOT) {
            if is_secret(tree.name(id))
                && let Some(value) = tree.node(id).typed_value()
            {
                self.learn_value(value);
            }
        }
    }

    pub(super) fn learn_request(&mut self, request: &AcsRequest, session: &Session) {
        match request {
            AcsRequest::SetParameterValues { parameter_list, .. } => {
                if parameter_list.iter().any(|(name, _)| is_secret(name)) {
                    self.learn_tree(session);
                }
                self.learn_pairs(parameter_list);
            }
            AcsRequest::Download(download) => self.learn(&download.password),
            AcsRequest::Upload(upload) => self.learn(&upload.password),
            AcsRequest::ScheduleDownload(download) => self.learn(&download.password),
            AcsRequest::ChangeDUState { operations, .. } => {
                for operation in operations {
                    if let DUOperation::Install { password, .. } | DUOperation::Update { password, .. } = operation {
                        self.learn(password);
                    }
                }
            }
            AcsRequest::SetVouchers { voucher_list } => voucher_list.iter().for_each(|voucher| self.learn(voucher)),
            _ => {}
        }
    }

    pub(super) fn learn_response(&mut self, response: &CpeResponse) {
        if let CpeResponse::GetParameterValuesResponse(values) = response {
            self.learn_pairs(values);
        }
    }

    fn learn_pairs(&mut self, pairs: &[(String, TypedValue)]) {
        for (_, value) in pairs.iter().filter(|(name, _)| is_secret(name)) {
            self.learn_value(value);
        }
    }

    fn learn_value(&mut self, value: &TypedValue) {
        self.learn(&value.0.to_text());
    }

    fn learn(&mut self, secret: &str) {
        if secret.len() >= SHORTEST && secret != MASK {
            self.known.insert(secret.to_owned());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The text with a mask in place of every secret, also of one that has lost its end with the text's.
    pub(super) fn masked(&self, mut text: String) -> String {
        if let Some(rest) = text.strip_suffix(CUT)
            && let Some(begun) = self.known.iter().filter_map(|secret| begun_at_end(rest, secret)).max()
        {
            text.truncate(rest.len() - begun);
            text.push_str(MASK);
            text.push(CUT);
        }
        // One may be part of another: the longest first.
        let mut found: Vec<&String> = self.known.iter().filter(|secret| text.contains(secret.as_str())).collect();
        found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in found {
            text = text.replace(secret.as_str(), MASK);
        }
        text
    }
}

/// How many bytes of a secret's beginning are the end of a text, if they tell anything.
fn begun_at_end(text: &str, secret: &str) -> Option<usize> {
    let ends = secret.char_indices().map(|(end, _)| end).filter(|end| *end >= SHORTEST);
    ends.rev().find(|&end| text.ends_with(&secret[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_masked_and_nothing_else() {
        let mut secrets = Secrets::default();
        for secret in ["hush-hush", "hush", "abc", ""] {
            secrets.learn(secret);
        }
        let text = "hush-hush, hush, abc".to_owned();
        assert_eq!(secrets.masked(text), "***, ***, abc");
        for (cut, masked) in [("x hush-hu…", "x ***…"), ("x hus…", "x hus…"), ("x hush-h", "x ***-h"), ("…", "…")]
        {
            assert_eq!(secrets.masked(cut.to_owned()), masked);
        }
    }
}
