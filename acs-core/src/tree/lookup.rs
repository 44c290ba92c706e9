//! Which known nodes a pattern matches, in the order that everything depends on.

use crate::path::{Alias, Path, Segment};

use super::{DeviceTree, LOCAL_ROOTS, NodeId};

impl DeviceTree {
    /// The known nodes that a pattern matches, level by level in sibling order.
    pub fn matches(&self, pattern: &Path) -> Vec<NodeId> {
        let mut out = Vec::new();
        self.collect(Self::ROOT, pattern.segments(), &mut out);
        out
    }

    /// Like [`Self::matches`], relative to a node.
    pub fn matches_below(&self, node: NodeId, relative: &Path) -> Vec<NodeId> {
        let mut out = Vec::new();
        self.collect(node, relative.segments(), &mut out);
        out
    }

    fn collect(&self, at: NodeId, segments: &[Segment], out: &mut Vec<NodeId>) {
        let Some((segment, rest)) = segments.split_first() else {
            out.push(at);
            return;
        };
        match segment {
            Segment::Name(name) => {
                if let Some(child) = self.child(at, name) {
                    self.collect(child, rest, out);
                }
            }
            Segment::Wildcard => {
                for &child in self.children(at) {
                    if self.is_hidden_root(at, child) {
                        continue;
                    }
                    self.collect(child, rest, out);
                }
            }
            Segment::Alias(alias) => {
                for &child in self.children(at) {
                    if self.satisfies_alias(child, alias) {
                        self.collect(child, rest, out);
                    }
                }
            }
            Segment::AnyDepth => {
                for &child in self.children(at) {
                    if self.is_hidden_root(at, child) {
                        continue;
                    }
                    self.collect(child, rest, out);
                    self.collect(child, segments, out);
                }
            }
        }
    }

    /// A wildcard in the first segment means the device's own roots, not the ones that the server keeps.
    pub(crate) fn is_hidden_root(&self, parent: NodeId, child: NodeId) -> bool {
        parent == Self::ROOT && LOCAL_ROOTS.contains(&&**self.name(child))
    }

    /// Whether an instance has, for every pair of the alias, a parameter whose known value equals the text.
    pub fn satisfies_alias(&self, instance: NodeId, alias: &Alias) -> bool {
        alias.pairs.iter().all(|(key, text)| {
            self.matches_below(instance, key).iter().any(|&parameter| self.node(parameter).value_equals_text(text))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::value::{TypedValue, Value, XsdType};

    fn tree(values: &[(&str, Value, XsdType)]) -> DeviceTree {
        let mut tree = DeviceTree::new();
        for (path, value, xsd_type) in values {
            let id = tree.ensure(path);
            tree.set_read_value(id, TypedValue(value.clone(), xsd_type.clone()), 1);
        }
        tree
    }

    fn matches(tree: &DeviceTree, pattern: &str) -> Vec<String> {
        tree.matches(&Path::parse(pattern).unwrap()).into_iter().map(|id| tree.path_text(id)).collect()
    }

    #[test]
    fn patterns_match_in_numeric_order() {
        let names = ["10", "2", "1", "x"].map(|n| format!("A.{n}.V"));
        let values: Vec<_> = names.iter().map(|n| (n.as_str(), Value::Int(1), XsdType::Int)).collect();
        let tree = tree(&values);
        assert_eq!(matches(&tree, "A.*"), ["A.1", "A.2", "A.10", "A.x"]);
        assert_eq!(matches(&tree, "A.*.V").len(), 4);
        assert_eq!(matches(&tree, "A.**").len(), 8);
        assert_eq!(matches(&tree, "A.**.V").len(), 4);
        assert!(matches(&tree, "B.*").is_empty());
    }

    #[test]
    fn a_wildcard_root_is_a_root_of_the_device() {
        let tree = tree(&[("Device.A", 1.into(), XsdType::Int), ("DeviceID.A", 1.into(), XsdType::Int)]);
        assert_eq!(matches(&tree, "*.A"), ["Device.A"]);
        assert_eq!(matches(&tree, "**"), ["Device", "Device.A"]);
        assert_eq!(matches(&tree, "DeviceID.*"), ["DeviceID.A"]);
    }

    #[test]
    fn alias_text_is_read_as_the_parameters_type() {
        let tree = tree(&[
            ("A.1.Enable", true.into(), XsdType::Boolean),
            ("A.1.Port", 81.into(), XsdType::UnsignedInt),
            ("A.2.Enable", false.into(), XsdType::Boolean),
            ("A.2.Port", 80.into(), XsdType::UnsignedInt),
        ]);
        assert_eq!(matches(&tree, "A.[Enable:1]"), ["A.1"]);
        assert_eq!(matches(&tree, "A.[Port:081]"), ["A.1"]);
        assert_eq!(matches(&tree, "A.[Enable:false,Port:80].Port"), ["A.2.Port"]);
        assert_eq!(matches(&tree, "A.[]"), ["A.1", "A.2"]);
        assert!(matches(&tree, "A.[Missing:1]").is_empty());
    }
}
