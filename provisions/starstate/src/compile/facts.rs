//! What a router is, as far as it decides which steps a document means: its release, its radios, its certificates.

use std::borrow::Cow;

use futures_util::TryFutureExt;
use futures_util::future::try_join3;
use routeros::{Command, RouterPort, Row};
use routeros_schema::{Release, Schema};

use crate::port::read_menu;
use crate::snapshot::{SnapshotError, read_release};

/// What a router is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The release of RouterOS.
    pub release: Release,
    /// Its radios.
    pub radios: Vec<Radio>,
    /// The names of its certificates; `None` when they are not known.
    pub certificates: Option<Vec<String>>,
}

/// A radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Radio {
    /// The name that it came with, such as `wifi1`; it stays whatever the radio is called.
    pub default_name: String,
    /// What it sends in.
    pub band: Band,
}

/// A band of frequencies. A second radio of 5 GHz has a band of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// 2.4 GHz.
    Two,
    /// 5 GHz.
    Five,
    /// The second radio of 5 GHz.
    SecondFive,
}

impl Radio {
    /// Whether it is meant by a name: that of its band, or the one that it came with.
    pub fn is_called(&self, name: &str) -> bool {
        let name = name.trim();
        name.eq_ignore_ascii_case(&self.band.interface()) || name == self.default_name
    }
}

impl Band {
    /// How documents and interfaces call it: `2.4`, `5`, `5-2`.
    pub fn word(self) -> &'static str {
        match self {
            Band::Two => "2.4",
            Band::Five => "5",
            Band::SecondFive => "5-2",
        }
    }

    /// The radio's name when it is ours: `wifi2.4`.
    pub fn interface(self) -> String {
        format!("wifi{}", self.word())
    }

    /// The band of an interface that is called like [`Band::interface`].
    pub fn of_interface(name: &str) -> Option<Band> {
        [Band::Two, Band::Five, Band::SecondFive].into_iter().find(|band| band.interface() == name)
    }
}

impl Facts {
    /// A router of the newest release that is known, with two radios.
    pub fn newest() -> Facts {
        Facts {
            release: Schema::get().release(),
            radios: radios(&["wifi1", "wifi2"].map(|name| (name.to_owned(), None))),
            certificates: None,
        }
    }

    /// Asks a router.
    ///
    /// # Errors
    /// When it cannot be read, or has no RouterOS 7.
    pub async fn read(port: &dyn RouterPort) -> Result<Facts, SnapshotError> {
        let read = |print| read_menu(port, print).map_err(SnapshotError::from);
        let radios_of = Command::print("/interface/wifi").properties(["default-name", "channel.band"]);
        let certificates_of = Command::print("/certificate").properties(["name"]);
        let (release, found, certificates) =
            try_join3(read_release(port), read(radios_of), read(certificates_of)).await?;
        let text = |row: &Row, name: &str| row.text(name).filter(|text| !text.is_empty()).map(Cow::into_owned);
        let named: Vec<(String, Option<String>)> = found
            .iter()
            .flatten()
            .filter_map(|row| Some((text(row, "default-name")?, text(row, "channel.band"))))
            .collect();
        let certificates = certificates.map(|rows| rows.iter().filter_map(|row| text(row, "name")).collect());
        Ok(Facts { release, radios: radios(&named), certificates })
    }
}

/// The radios by their default names and, where it is configured, their band: `wifi1` has 5 GHz, `wifi2` 2.4 GHz, `wifi3` 5 GHz again; a
/// single one counts as 2.4 GHz.
fn radios(named: &[(String, Option<String>)]) -> Vec<Radio> {
    let mut radios: Vec<Radio> = Vec::new();
    for (default_name, configured) in named {
        let by_name = match default_name.as_str() {
            _ if named.len() == 1 => Band::Two,
            "wifi2" => Band::Two,
            _ => Band::Five,
        };
        let band = match configured.as_deref() {
            Some(band) if band.starts_with('2') => Band::Two,
            Some(band) if band.starts_with('5') => Band::Five,
            _ => by_name,
        };
        let is_taken = |band| radios.iter().any(|radio: &Radio| radio.band == band);
        let band = if band == Band::Five && is_taken(Band::Five) { Band::SecondFive } else { band };
        if !is_taken(band) {
            radios.push(Radio { default_name: default_name.clone(), band });
        }
    }
    radios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radios_have_bands_by_their_names_unless_they_are_configured() {
        let bands = |named: &[(&str, Option<&str>)]| {
            let named: Vec<_> =
                named.iter().map(|(name, band)| ((*name).to_owned(), band.map(str::to_owned))).collect();
            radios(&named)
                .into_iter()
                .map(|radio| format!("{}={}", radio.default_name, radio.band.word()))
                .collect::<Vec<_>>()
        };
        assert_eq!(bands(&[("wifi1", None), ("wifi2", None), ("wifi3", None)]), ["wifi1=5", "wifi2=2.4", "wifi3=5-2"]);
        assert_eq!(bands(&[("wifi1", None)]), ["wifi1=2.4"]);
        assert_eq!(bands(&[("wifi1", Some("2ghz-ax")), ("wifi2", Some("5ghz-ax"))]), ["wifi1=2.4", "wifi2=5"]);
        assert_eq!(bands(&[("wifi1", Some("5ghz-ax"))]), ["wifi1=5"]);
    }
}
