//! Iteration over a model in path order: the shared base and a device's own changes merged.
//!
//! Path order puts an object directly before everything below it, since `.` sorts before letters and digits.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::iter::Peekable;
use std::ops::Bound;

use super::Node;

/// Iterator over `(path, node)`, see [`super::DataModel::walk`].
pub struct Walk<'a> {
    nodes: &'a BTreeMap<Box<str>, Node>,
    changes: &'a BTreeMap<Box<str>, Option<Node>>,
    base: Peekable<Range<'a, Box<str>, Node>>,
    own: Peekable<Range<'a, Box<str>, Option<Node>>>,
    prefix: &'a str,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        nodes: &'a BTreeMap<Box<str>, Node>,
        changes: &'a BTreeMap<Box<str>, Option<Node>>,
        prefix: &'a str,
    ) -> Self {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        Self {
            nodes,
            changes,
            base: nodes.range::<str, _>(from).peekable(),
            own: changes.range::<str, _>(from).peekable(),
            prefix,
        }
    }

    /// Goes on at the first path not below `object`, without visiting what is below.
    fn skip_below(&mut self, object: &str) {
        let mut after = object.to_owned();
        // `/` is the character after `.`: the least path that is behind the whole subtree.
        after.pop();
        after.push('/');
        let from = (Bound::Included(after.as_str()), Bound::Unbounded);
        self.base = self.nodes.range::<str, _>(from).peekable();
        self.own = self.changes.range::<str, _>(from).peekable();
    }

    /// Only the direct children of the prefix.
    pub(super) fn one_level(mut self) -> impl Iterator<Item = (&'a str, &'a Node)> {
        std::iter::from_fn(move || {
            let (mut path, mut node) = self.next()?;
            if path == self.prefix && !path.is_empty() {
                (path, node) = self.next()?;
            }
            if path.ends_with('.') {
                self.skip_below(path);
            }
            Some((path, node))
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a str, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let own_first = match (self.own.peek(), self.base.peek()) {
                (Some((own, _)), Some((base, _))) => {
                    if own == base {
                        self.base.next();
                        true
                    } else {
                        own < base
                    }
                }
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return None,
            };
            let (path, node) = if own_first {
                let (path, node) = self.own.next()?;
                (path, node.as_ref())
            } else {
                let (path, node) = self.base.next()?;
                (path, Some(node))
            };
            if !path.starts_with(self.prefix) {
                return None;
            }
            if let Some(node) = node {
                return Some((path, node));
            }
        }
    }
}
