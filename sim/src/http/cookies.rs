//! Cookies of a CWMP session: all of one server, kept for the session only (TR-069 §3.4.1).

use crate::habits::CookieHabit;

/// Cookies in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct CookieJar {
    cookies: Vec<Cookie>,
    /// What the device does with them.
    pub habit: CookieHabit,
}

#[derive(Clone, Debug)]
struct Cookie {
    name: String,
    value: String,
    /// As written, with the `;` before them.
    attributes: String,
}

impl CookieJar {
    /// Takes in the cookies of an answer.
    pub fn store_all<'a>(&mut self, headers: impl Iterator<Item = &'a str>) {
        let most = if self.habit == CookieHabit::First { 1 } else { usize::MAX };
        if self.habit == CookieHabit::LastAnswer {
            self.clear();
        }
        for header in headers.take(most) {
            self.store(header);
        }
    }

    /// Takes the name and value of a `Set-Cookie` header; `Max-Age=0` deletes.
    pub fn store(&mut self, header: &str) {
        let (pair, attributes) = header.split_at(header.find(';').unwrap_or(header.len()));
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        let (name, value) = (name.trim(), value.trim());
        let deleted = attributes.split(';').any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
        self.cookies.retain(|known| known.name != name);
        if !deleted && !name.is_empty() {
            let (name, value) = (name.to_owned(), value.to_owned());
            self.cookies.push(Cookie { name, value, attributes: attributes.to_owned() });
        }
    }

    /// Goes on with the cookies of another jar.
    pub fn resume(&mut self, other: &CookieJar) {
        self.cookies.clone_from(&other.cookies);
    }

    /// The `Cookie` header's value; `None` when there are no cookies, or none are sent back.
    pub fn header(&self) -> Option<String> {
        if self.cookies.is_empty() || self.habit == CookieHabit::None {
            return None;
        }
        let written = |cookie: &Cookie| match self.habit {
            CookieHabit::WithAttributes => {
                format!("{}={}{}; Path=/; HttpOnly", cookie.name, cookie.value, cookie.attributes)
            }
            CookieHabit::CommaJoined => format!("{}={};Version=1", cookie.name, cookie.value),
            _ => format!("{}={}", cookie.name, cookie.value),
        };
        let pairs: Vec<String> = self.cookies.iter().map(written).collect();
        Some(match self.habit {
            CookieHabit::CommaJoined => format!("other=zz;Version=1;Path=/,{}", pairs.join(",")),
            _ => pairs.join("; "),
        })
    }

    /// Forgets all cookies.
    pub fn clear(&mut self) {
        self.cookies.clear();
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
