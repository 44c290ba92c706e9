//! Vouchers and options (TR-069 Annex A.4.1.3, A.4.1.4, Annex C).
//!
//! A voucher is a signed XML document. The simulated device takes the OptionIdent out of it, and checks no signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Device, now};
use crate::soap::{Fault, Writer};
use crate::xml::Element;

impl Device {
    /// All vouchers or, when one is unreadable, none.
    pub(super) fn set_vouchers(&mut self, vouchers: &[String], writer: &Writer<'_>) -> Result<String, Fault> {
        let mut names = Vec::new();
        for voucher in vouchers {
            names.push(option_in(voucher).ok_or_else(|| Fault::new(9003))?);
        }
        for name in names {
            if !self.unlocked.contains(&name) {
                self.unlocked.push(name);
            }
        }
        Ok(writer.bare("SetVouchersResponse"))
    }

    pub(super) fn get_options(&self, option_name: &str, writer: &Writer<'_>) -> String {
        let is_wanted = |name: &&str| option_name.is_empty() || *name == option_name;
        let names: Vec<&str> = self.unlocked.iter().map(String::as_str).filter(is_wanted).collect();
        writer.options(&names, &now())
    }
}

/// The OptionIdent somewhere in a voucher.
fn option_in(voucher: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(voucher).ok()?).ok()?;
    let mut waiting = vec![Element::parse(&text).ok()?];
    while let Some(element) = waiting.pop() {
        if element.name == "OptionIdent" && !element.text.is_empty() {
            return Some(element.text);
        }
        waiting.extend(element.children);
    }
    None
}
