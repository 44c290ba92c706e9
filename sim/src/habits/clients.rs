//! The habits of known device programs, put together from their quirks. They play how such a program speaks, not what it does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::quirks::Quirk;
use crate::cpe::Options;
use crate::model::ModelKind;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// A small agent of 2013 with HTTP and XML of its own.
    Netcwmp,
    /// An operator's agent over libcurl.
    Tr069agent,
    /// The agent of many OpenWrt devices.
    Easycwmp,
    /// A simulator in TypeScript.
    CwmpSim,
    /// The simulator that everybody tests load with.
    GenieacsSim,
    /// A simulator in Go.
    Simulatr69,
    /// A femtocell simulator in Java.
    Paraam,
    /// A library in Python that imitates home gateways.
    Honeyclient,
    /// A client in Python whose SOAP is wrong in many ways.
    Cwmpclient,
}

/// Why a text is no client.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no client that is known ({known})")]
pub struct ClientError {
    given: String,
    known: String,
}

impl Client {
    /// All of them.
    pub const ALL: [Client; 9] = [
        Client::Netcwmp,
        Client::Tr069agent,
        Client::Easycwmp,
        Client::CwmpSim,
        Client::GenieacsSim,
        Client::Simulatr69,
        Client::Paraam,
        Client::Honeyclient,
        Client::Cwmpclient,
    ];

    /// Its name, as options and the command line spell it.
    pub fn name(self) -> &'static str {
        match self {
            Client::Netcwmp => "netcwmp",
            Client::Tr069agent => "tr069agent",
            Client::Easycwmp => "easycwmp",
            Client::CwmpSim => "cwmp-sim",
            Client::GenieacsSim => "genieacs-sim",
            Client::Simulatr69 => "simulatr69",
            Client::Paraam => "paraam",
            Client::Honeyclient => "honeyclient",
            Client::Cwmpclient => "cwmpclient",
        }
    }

    /// Its quirks. Those that only show with certain values (q11, q22) or that end sessions (q15, q32) are left out.
    fn quirks(self) -> &'static [&'static str] {
        match self {
            Client::Netcwmp => {
                &["q04", "q05", "q06", "q06.2", "q08.4", "q09", "q18", "q20.3", "q23.4", "q26.5", "q27", "q29"]
            }
            Client::Tr069agent => &["q02", "q16", "q19.2", "q23.5", "q31"],
            Client::Easycwmp => &["q10.2", "q12", "q16.3", "q23", "q23.6"],
            Client::CwmpSim => &["q07", "q08", "q06.3", "q09.5", "q13", "q17.4", "q21.3", "q25", "q29.2", "q31"],
            Client::GenieacsSim => &["q07", "q08.4", "q13", "q16", "q19.3", "q25", "q26.4"],
            Client::Simulatr69 => &["q08.6", "q09.2", "q10", "q16.2", "q19.4", "q23.3", "q26.5"],
            Client::Paraam => {
                &["q01", "q08.5", "q09.3", "q10", "q19", "q20", "q21.2", "q24.3", "q26.3", "q26.6", "q28.3"]
            }
            Client::Honeyclient => &["q10.3", "q16.4", "q21.4", "q23.3", "q23.4", "q26.2", "q27"],
            Client::Cwmpclient => {
                &["q08", "q09.4", "q10.2", "q17", "q17.2", "q17.3", "q20", "q21", "q23.5", "q25", "q27", "q30"]
            }
        }
    }

    /// RPCs that it answers with fault 9000.
    fn unsupported(self) -> &'static [&'static str] {
        match self {
            Client::Easycwmp => &["GetQueuedTransfers", "GetAllQueuedTransfers"],
            Client::GenieacsSim => &[
                "GetRPCMethods",
                "SetParameterAttributes",
                "GetParameterAttributes",
                "Upload",
                "Reboot",
                "FactoryReset",
            ],
            Client::Simulatr69 => &["Upload", "ScheduleInform", "GetQueuedTransfers", "GetAllQueuedTransfers"],
            Client::Tr069agent => &["GetQueuedTransfers"],
            _ => &[],
        }
    }

    /// Makes a device of these options speak so.
    pub fn apply(self, options: &mut Options) {
        let quirks: Vec<Quirk> = self.quirks().iter().filter_map(|quirk| quirk.parse().ok()).collect();
        for quirk in quirks {
            quirk.apply(options);
        }
        let behaviour = &mut options.behaviour;
        behaviour.unsupported.extend(self.unsupported().iter().map(|rpc| (*rpc).to_owned()));
        match self {
            Client::Easycwmp => options.cwmp_namespace = "urn:dslforum-org:cwmp-1-2".to_owned(),
            Client::Paraam => {
                options.model = ModelKind::Tr181;
                behaviour.ignore_next_level = true;
            }
            Client::Honeyclient => {
                behaviour.call_get_rpc_methods = true;
                behaviour.ignore_next_level = true;
            }
            Client::Cwmpclient => behaviour.ignore_next_level = true,
            _ => options.cwmp_namespace = "urn:dslforum-org:cwmp-1-0".to_owned(),
        }
    }
}

impl FromStr for Client {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        Client::ALL
            .into_iter()
            .find(|client| client.name() == text)
            .ok_or_else(|| ClientError { given: text.to_owned(), known: Client::ALL.map(Client::name).join(", ") })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_quirks_that_exist_and_a_name_that_reads_back() {
        for client in Client::ALL {
            assert!(client.quirks().iter().all(|quirk| quirk.parse::<Quirk>().is_ok()), "{client}");
            assert_eq!(client.name().parse::<Client>().unwrap(), client);
            assert_eq!(serde_json::to_value(client).unwrap(), client.name());
            let mut options = Options::default();
            client.apply(&mut options);
            assert_ne!(options.habits, Options::default().habits, "{client}");
        }
        let error = "unknown".parse::<Client>().unwrap_err().to_string();
        assert!(error.contains("netcwmp"), "{error}");
    }
}
