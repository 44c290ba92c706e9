//! The STUN server (TR-069 Annex G): answers Binding Requests, and remembers under which address each device can be reached.
//!
//! A device is known by its USERNAME and proves itself with MESSAGE-INTEGRITY; only then is its binding believed. No answer is larger
//! than what it answers, so the server is of no use for flooding others. Pure: who has which user name and password is told, and
//! the caller sends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::stun::{IntegrityForm, MessageType, MessageWriter, StunMessage, attribute};

/// Bindings that are remembered at once; then the expired ones go, and no more are taken in.
const MOST_BINDINGS: usize = 200_000;

/// A device that announces its binding.
#[derive(Clone, PartialEq, Eq)]
pub struct StunAccount {
    /// The device.
    pub device_id: String,
    /// `ManagementServer.STUNPassword`; empty when there is none.
    pub password: String,
    /// How long a binding is believed without a sign of life.
    pub lifetime: Duration,
}

impl std::fmt::Debug for StunAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StunAccount").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

/// Where a device can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Its address as this server sees it.
    pub address: SocketAddr,
    /// The last sign of life.
    pub seen: Instant,
    /// The same in milliseconds since the Unix epoch.
    pub seen_at: i64,
    lifetime: Duration,
}

/// What is remembered of devices' bindings.
#[derive(Debug, Default)]
pub struct Bindings(HashMap<String, Binding>);

impl Bindings {
    /// The binding of a device, unless it has expired.
    pub fn of(&self, device_id: &str, now: Instant) -> Option<Binding> {
        self.0.get(device_id).copied().filter(|binding| binding.is_alive(now))
    }

    /// How many are remembered.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.len()
    }

    /// Answers a Binding Request that came from an address. `None`: it is not to be answered. `account` is the device with the
    /// request's USERNAME, if there is one.
    pub fn answer(
        &mut self,
        request: &StunMessage<'_>,
        from: SocketAddr,
        account: Option<&StunAccount>,
        now: Instant,
        time: i64,
    ) -> Option<Vec<u8>> {
        if request.message_type != MessageType::BindingRequest {
            return None;
        }
        let announces = request.attribute(attribute::CONNECTION_REQUEST_BINDING).is_some();
        let mut integrity = None;
        if let Some(account) = account.filter(|account| !account.password.is_empty()) {
            integrity = request.integrity(account.password.as_bytes()).map(|form| (account.password.as_bytes(), form));
            if integrity.is_none() && request.has_integrity() {
                return error(request, 431, "Integrity Check Failure");
            }
            if announces && integrity.is_some() {
                self.learn(account, from, now, time);
            } else if announces && !self.refresh(&account.device_id, from, now, time) {
                // A new address, or a changed one: it is to be proved.
                return error(request, 401, "Unauthorized");
            }
        }
        success(request, from, integrity)
    }

    fn learn(&mut self, account: &StunAccount, address: SocketAddr, now: Instant, time: i64) {
        let binding = Binding { address, seen: now, seen_at: time, lifetime: account.lifetime };
        match self.0.get_mut(&account.device_id) {
            Some(known) => *known = binding,
            None => {
                if self.0.len() >= MOST_BINDINGS {
                    self.0.retain(|_, binding| binding.is_alive(now));
                }
                if self.0.len() < MOST_BINDINGS {
                    self.0.insert(account.device_id.clone(), binding);
                }
            }
        }
    }

    /// A sign of life from the address that is known. Returns whether it is.
    fn refresh(&mut self, device_id: &str, from: SocketAddr, now: Instant, time: i64) -> bool {
        let known = self.0.get_mut(device_id).filter(|binding| binding.address == from && binding.is_alive(now));
        known.map(|binding| (binding.seen, binding.seen_at) = (now, time)).is_some()
    }
}

impl Binding {
    fn is_alive(&self, now: Instant) -> bool {
        now.duration_since(self.seen) < self.lifetime
    }
}

/// A Binding Response, as long as it is no larger than the request.
fn success(request: &StunMessage<'_>, from: SocketAddr, integrity: Option<(&[u8], IntegrityForm)>) -> Option<Vec<u8>> {
    let finish = |writer: MessageWriter| match integrity {
        Some((key, form)) => writer.finish_with_integrity(key, form),
        None => writer.finish(),
    };
    let plain =
        MessageWriter::new(MessageType::BindingResponse, request.transaction).address(attribute::MAPPED_ADDRESS, from);
    let fits = |bytes: &Vec<u8>| bytes.len() <= request.length();
    let with_xor = || finish(plain.clone().address(attribute::XOR_MAPPED_ADDRESS, from));
    let full = request.has_magic_cookie().then(with_xor).filter(fits);
    full.or_else(|| Some(finish(plain.clone())).filter(fits))
}

fn error(request: &StunMessage<'_>, code: u16, reason: &str) -> Option<Vec<u8>> {
    let of = |reason| {
        MessageWriter::new(MessageType::BindingErrorResponse, request.transaction).error(code, reason).finish()
    };
    [of(reason), of("")].into_iter().find(|bytes| bytes.len() <= request.length())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::udp::stun::{BINDING_VALUE, parse};

    fn account() -> StunAccount {
        StunAccount { device_id: "box".into(), password: "secret".into(), lifetime: Duration::from_secs(60) }
    }

    fn request() -> MessageWriter {
        MessageWriter::new(MessageType::BindingRequest, [7; 16])
            .attribute(attribute::CONNECTION_REQUEST_BINDING, BINDING_VALUE)
            .attribute(attribute::USERNAME, b"box1")
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    /// What comes back: `mapped`, an error code, or nothing. Never more than was sent.
    fn ask(bindings: &mut Bindings, bytes: &[u8], port: u16, account: Option<&StunAccount>, now: Instant) -> String {
        let request = parse(bytes).unwrap();
        let Some(answer) = bindings.answer(&request, address(port), account, now, 1_000) else { return String::new() };
        assert!(answer.len() <= bytes.len(), "{} bytes in answer to {}", answer.len(), bytes.len());
        let answer = parse(&answer).unwrap();
        assert_eq!(answer.transaction, [7; 16]);
        match answer.error_code() {
            Some(code) => code.to_string(),
            None => {
                assert_eq!(answer.address(attribute::MAPPED_ADDRESS), Some(address(port)));
                "mapped".to_owned()
            }
        }
    }

    #[test]
    fn a_binding_is_proved_then_kept_alive_and_proved_again_when_it_changes() {
        let (mut bindings, account, start) = (Bindings::default(), account(), Instant::now());
        let plain = request().finish();
        let signed = request().finish_with_integrity(b"secret", IntegrityForm::Padded);
        let changed = request().attribute(attribute::BINDING_CHANGE, b"").finish();
        let forged = request().finish_with_integrity(b"guess", IntegrityForm::Padded);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut ask = |bytes: &[u8], port, seconds| ask(&mut bindings, bytes, port, Some(&account), at(seconds));
        assert_eq!(ask(&plain, 1000, 0), "401");
        assert_eq!(ask(&signed, 1000, 0), "mapped");
        assert_eq!(ask(&plain, 1000, 50), "mapped", "a sign of life needs no proof");
        assert_eq!(ask(&changed, 2000, 55), "401");
        assert_eq!(ask(&plain, 2000, 55), "401");
        assert_eq!(ask(&forged, 2000, 55), "431");
        assert_eq!(ask(&signed, 3000, 56), "mapped");
        assert_eq!(ask(&plain, 1000, 57), "401", "the old address is nobody's");
        assert_eq!(bindings.of("box", at(100)).unwrap().address, address(3000));
        assert_eq!(bindings.of("box", at(116)), None, "it has expired");
        assert_eq!(bindings.count(), 1);
    }

    #[test]
    fn who_is_not_known_hears_its_address_and_is_not_remembered() {
        let (mut bindings, now) = (Bindings::default(), Instant::now());
        let nobody = StunAccount { password: String::new(), ..account() };
        for account in [None, Some(&nobody)] {
            assert_eq!(ask(&mut bindings, &request().finish(), 1000, account, now), "mapped");
            let signed = request().finish_with_integrity(b"guess", IntegrityForm::Plain);
            assert_eq!(ask(&mut bindings, &signed, 1000, account, now), "mapped");
        }
        assert_eq!(bindings.count(), 0);
        // A response address is no reason to send anything there.
        let elsewhere = request().address(attribute::RESPONSE_ADDRESS, address(9)).finish();
        assert_eq!(ask(&mut bindings, &elsewhere, 1000, None, now), "mapped");
    }

    #[test]
    fn an_answer_that_would_be_larger_than_the_request_is_not_given() {
        let (mut bindings, now) = (Bindings::default(), Instant::now());
        let bare = MessageWriter::new(MessageType::BindingRequest, [7; 16]);
        assert_eq!(ask(&mut bindings, &bare.clone().finish(), 1000, None, now), "");
        let padded = bare.clone().attribute(0x8022, &[0; 8]).finish();
        assert_eq!(ask(&mut bindings, &padded, 1000, None, now), "mapped");
        let response = MessageWriter::new(MessageType::BindingResponse, [7; 16]).attribute(0x8022, &[0; 60]).finish();
        assert_eq!(ask(&mut bindings, &response, 1000, None, now), "", "answers are not answered");
    }
}
