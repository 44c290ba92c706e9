//! The comment by which rows of ours are known on a router: `nnc-provisioned-<session>`, perhaps with a label behind it. Pure.

const PREFIX: &str = "nnc-provisioned-";
const BETWEEN: &str = " | ";

/// The comment of a row.
pub fn comment(session: &str, label: Option<&str>) -> String {
    match label.filter(|label| !label.is_empty()) {
        Some(label) => format!("{PREFIX}{session}{BETWEEN}{label}"),
        None => format!("{PREFIX}{session}"),
    }
}

/// The session whose tag a comment carries; `None` when it is nobody's of ours.
pub fn session_of(comment: &str) -> Option<&str> {
    let rest = comment.strip_prefix(PREFIX)?;
    let session = rest.split_once(BETWEEN).map_or(rest, |(session, _)| session);
    let is_name = !session.is_empty() && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_name.then_some(session)
}

/// The label behind the tag of a comment.
pub fn label_of(comment: &str) -> Option<&str> {
    session_of(comment)?;
    comment.split_once(BETWEEN).map(|(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_again() {
        assert_eq!(comment("01J", None), "nnc-provisioned-01J");
        assert_eq!(comment("01J", Some("Route-to-Foreign-a")), "nnc-provisioned-01J | Route-to-Foreign-a");
        for label in [None, Some("a"), Some("a | b"), Some("")] {
            assert_eq!(session_of(&comment("01J", label)), Some("01J"), "{label:?}");
            assert_eq!(label_of(&comment("01J", label)), label.filter(|label| !label.is_empty()));
        }
    }

    #[test]
    fn other_comments_are_not_ours() {
        for text in ["", "nnc-provisioned-", "nnc-provisioned-a b", "my nnc-provisioned-01J", "defconf"] {
            assert_eq!((session_of(text), label_of(text)), (None, None), "{text}");
        }
        assert_ne!(session_of("nnc-provisioned-01JX"), Some("01J"));
    }
}
