//! Whether a row on a router is the one that the ledger tells of. Pure.

use super::{Entry, Holding, Kept};
use crate::compare::is_same;
use crate::snapshot::Found;

/// What is known of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    path: &'a str,
    id: Option<&'a str>,
    comment: Option<&'a str>,
    key: &'a [(String, Kept)],
}

impl Entry {
    pub(crate) fn identity(&self) -> Identity<'_> {
        let (id, comment) = (self.id.as_deref(), self.comment.as_deref());
        Identity { path: &self.path, id, comment, key: &self.key }
    }
}

impl Holding {
    pub(crate) fn identity(&self) -> Identity<'_> {
        let (id, comment) = (self.id.as_deref(), self.comment.as_deref());
        Identity { path: &self.path, id, comment, key: &self.key }
    }
}

impl Identity<'_> {
    /// Whether a row is this one. Ids may be other rows' after a reset, and other ones after a restore; comment and values may have
    /// been changed by hand. Of id, comment and key two must fit, as far as they are known.
    pub(crate) fn is(&self, row: &Found) -> bool {
        if self.id.is_none() && self.comment.is_none() && self.key.is_empty() {
            return row.id.is_none();
        }
        let same_id = self.id.is_some() && self.id == row.id.as_deref();
        let same_key = self.has_key(row);
        match self.comment {
            Some(_) => {
                let is_tagged = self.has_comment(row);
                u8::from(same_id) + u8::from(is_tagged) + u8::from(same_key) >= 2
            }
            None => same_key || same_id && self.readable_key().next().is_none(),
        }
    }

    /// Whether a row has the comment, where there is one.
    pub(crate) fn has_comment(&self, row: &Found) -> bool {
        self.comment.is_none_or(|comment| row.value("comment") == Some(comment.as_bytes()))
    }

    /// Whether a row has the key. Secrets may be hidden and do not count.
    pub(crate) fn has_key(&self, row: &Found) -> bool {
        let mut key = self.readable_key().peekable();
        key.peek().is_some() && key.all(|(name, value)| is_same(self.path, name, value.bytes(), row.value(name)))
    }

    fn readable_key(&self) -> impl Iterator<Item = &(String, Kept)> {
        self.key.iter().filter(|(_, value)| !value.is_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: Option<&str>, values: &[(&str, &str)]) -> Found {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Found { id: id.map(str::to_owned), values: values.collect() }
    }

    #[test]
    fn two_of_id_comment_and_key_must_fit() {
        let key = [("name".to_owned(), Kept::plain("a"))];
        let tagged = Identity { path: "/ip/pool", id: Some("*1"), comment: Some("tag"), key: &key };
        let cases = [
            ("*1", "tag", "a", true),
            ("*1", "tag", "b", true),
            ("*1", "", "a", true),
            ("*2", "tag", "a", true),
            ("*1", "", "b", false),
            ("*2", "tag", "b", false),
            ("*2", "", "a", false),
        ];
        for (id, comment, name, expected) in cases {
            let row = row(Some(id), &[("comment", comment), ("name", name)]);
            assert_eq!(tagged.is(&row), expected, "{id} {comment} {name}");
        }
    }

    #[test]
    fn without_comments_the_key_decides() {
        let key = [("name".to_owned(), Kept::plain("a"))];
        let untagged = Identity { path: "/ip/pool", id: Some("*1"), comment: None, key: &key };
        assert!(untagged.is(&row(Some("*2"), &[("name", "a")])));
        assert!(!untagged.is(&row(Some("*1"), &[("name", "b")])));
        let by_id = Identity { key: &[], ..untagged };
        assert!(by_id.is(&row(Some("*1"), &[])) && !by_id.is(&row(Some("*2"), &[])));
        let settings = Identity { id: None, ..by_id };
        assert!(settings.is(&row(None, &[])) && !settings.is(&row(Some("*1"), &[])));
    }
}
