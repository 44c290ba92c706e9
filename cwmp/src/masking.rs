//! Messages for the log, without their secrets.
//!
//! A value is secret when the last segment of its parameter's name says so, and what is in an element when the element's name does:
//! the Password of a Download, and what vendors' methods have; vouchers, too. The scan does not depend on the document being
//! well-formed: what cannot be told is masked.

use std::borrow::Cow;

use acs_core::secret::is_secret;

/// The document with `***` in place of every secret.
pub fn mask_secrets(document: &str) -> Cow<'_, str> {
    let mut scan = Scan::default();
    let mut rest = 0;
    while let Some(start) = document[rest..].find('<').map(|place| rest + place) {
        if document[start..].starts_with("<![CDATA[") {
            // Text: a tag in it is none.
            rest = document[start..].find("]]>").map_or(document.len(), |end| start + end + 3);
            continue;
        }
        let end = document[start..].find('>').map_or(document.len(), |end| start + end + 1);
        scan.tag(document, start, end);
        rest = end;
    }
    scan.finish(document)
}

#[derive(Default)]
struct Scan<'d> {
    /// Which open element matters, its name, and where its text begins.
    open: Option<(Kind, &'d str, usize)>,
    /// Of the current ParameterValueStruct.
    name_is_secret: Option<bool>,
    value: Option<(usize, usize)>,
    masked: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Name,
    Value,
    Secret,
}

impl<'d> Scan<'d> {
    /// A tag from its `<` to behind its `>`.
    fn tag(&mut self, document: &'d str, start: usize, end: usize) {
        let inside = document[start + 1..end].trim_end_matches('>');
        let is_end = inside.starts_with('/');
        let is_empty = inside.ends_with('/') && !is_end;
        let name = inside.trim_start_matches('/');
        let name = name.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let local = name.rsplit(':').next().unwrap_or_default();
        let kind = match local {
            "Name" => Kind::Name,
            "Value" => Kind::Value,
            "VoucherList" => Kind::Secret,
            "ParameterValueStruct" => {
                self.end_struct();
                return;
            }
            name if is_secret(name) => Kind::Secret,
            _ => return,
        };
        if !is_end && !is_empty {
            self.open = self.open.or(Some((kind, local, end)));
        } else if is_end && self.open.is_some_and(|(_, open, _)| open == local) {
            self.close(document, start);
        }
    }

    fn close(&mut self, document: &str, end: usize) {
        let Some((kind, _, start)) = self.open.take() else { return };
        match kind {
            Kind::Name => self.name_is_secret = Some(is_secret(&document[start..end])),
            Kind::Value => self.value = Some((start, end)),
            Kind::Secret => self.masked.push((start, end)),
        }
    }

    fn end_struct(&mut self) {
        if let (Some(value), Some(true) | None) = (self.value.take(), self.name_is_secret.take()) {
            self.masked.push(value);
        }
    }

    fn finish(mut self, document: &'d str) -> Cow<'d, str> {
        match self.open.take() {
            Some((Kind::Value, _, start)) => self.value = Some((start, document.len())),
            Some((Kind::Secret, _, start)) => self.masked.push((start, document.len())),
            _ => {}
        }
        self.end_struct();
        if self.masked.is_empty() {
            return Cow::Borrowed(document);
        }
        let mut text = String::with_capacity(document.len());
        let mut copied = 0;
        self.masked.sort_unstable();
        for (start, end) in self.masked {
            text.push_str(&document[copied..start]);
            text.push_str("***");
            copied = end;
        }
        text.push_str(&document[copied..]);
        Cow::Owned(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(name: &str, value: &str) -> String {
        format!(
            "<ParameterValueStruct><Name>{name}</Name><Value xsi:type=\"xsd:string\">{value}</Value></ParameterValueStruct>"
        )
    }

    #[test]
    fn secret_values_are_masked_and_nothing_else() {
        let masked = [
            (pair("A.Password", "hush"), pair("A.Password", "***")),
            (pair("A.Password", "<![CDATA[hu</Value>sh]]>"), pair("A.Password", "***")),
            (pair("A.Name", "x") + &pair("A.Key", "hush"), pair("A.Name", "x") + &pair("A.Key", "***")),
            (
                "<c:Download><URL>u</URL><Password>hush</Password></c:Download>".into(),
                "<c:Download><URL>u</URL><Password>***</Password></c:Download>".into(),
            ),
            (
                "<X_0A1B2C_Join><PreSharedKey>hush</PreSharedKey><SSID>s</SSID></X_0A1B2C_Join>".into(),
                "<X_0A1B2C_Join><PreSharedKey>***</PreSharedKey><SSID>s</SSID></X_0A1B2C_Join>".into(),
            ),
            (
                "<Credentials><Password>hush</Password><Pin>hush</Pin></Credentials><CommandKey>k</CommandKey>".into(),
                "<Credentials>***</Credentials><CommandKey>k</CommandKey>".into(),
            ),
            (
                "<VoucherList soap:arrayType=\"x\"><base64>hush</base64></VoucherList>".into(),
                "<VoucherList soap:arrayType=\"x\">***</VoucherList>".into(),
            ),
            (
                "<p:ParameterValueStruct><p:Value>hush</p:Value><p:Name>A.Key</p:Name></p:ParameterValueStruct>".into(),
                "<p:ParameterValueStruct><p:Value>***</p:Value><p:Name>A.Key</p:Name></p:ParameterValueStruct>".into(),
            ),
        ];
        for (document, expected) in masked {
            assert_eq!(mask_secrets(&document), expected);
        }
        let open = pair("A.Value", "Password") + &pair("A.Name", "") + "<Password/><Value/>";
        assert!(matches!(mask_secrets(&open), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_cut_off_is_masked() {
        let document = pair("A.Password", "hush");
        let start = document.find("hush").unwrap();
        for end in start + 1..document.len() {
            assert!(!mask_secrets(&document[..end]).contains("hu"), "{}", &document[..end]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned(document in "(<|>|/|Name|Value|Password|ParameterValueStruct|<!\\[CDATA\\[|\\]\\]>|é| |x){0,40}") {
            let _ = mask_secrets(&document);
        }
    }
}
