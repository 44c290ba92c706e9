//! Cookies of a CWMP session: all of one server, kept for the session only (TR-069 §3.4.1).

/// Names and values in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct CookieJar(Vec<(String, String)>);

impl CookieJar {
    /// Takes the name and value of a `Set-Cookie` header; attributes are ignored, `Max-Age=0` deletes.
    pub fn store(&mut self, header: &str) {
        let mut parts = header.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let deleted = parts.any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
        self.0.retain(|(known, _)| known != name);
        if !deleted && !name.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The `Cookie` header's value; `None` when there are no cookies.
    pub fn header(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join("; "))
    }

    /// Forgets all cookies.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_deleted_by_name() {
        let mut jar = CookieJar::default();
        assert_eq!(jar.header(), None);
        jar.store("session=abc; Path=/; HttpOnly");
        jar.store("b=2");
        assert_eq!(jar.header().as_deref(), Some("session=abc; b=2"));
        jar.store("session=def");
        assert_eq!(jar.header().as_deref(), Some("b=2; session=def"));
        jar.store("b=; Max-Age=0");
        jar.store("nonsense");
        assert_eq!(jar.header().as_deref(), Some("session=def"));
    }
}
