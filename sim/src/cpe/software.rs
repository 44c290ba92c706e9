//! Deployment units: what ChangeDUState installs, updates and uninstalls (TR-069 Annex A.4.1.10, A.4.2.3).
//!
//! Units are fetched as files are. They are kept beside the data model, not in it.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};

use super::calls::CompletedChange;
use super::transfer::{download, version_in};
use super::{Device, now};
use crate::soap::{OperationResult, Transfer, UnitOperation, UnitOperationKind};
use crate::value::UNKNOWN_TIME;

/// A deployment unit that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentUnit {
    /// Given by the ACS or, when it gave none, worked out from the URL.
    pub uuid: String,
    /// From the file's name; `1` when it has none.
    pub version: String,
    /// Where it came from.
    pub url: String,
    /// Where it runs.
    pub execution_env_ref: String,
    number: u32,
}

impl Device {
    /// The deployment units that are installed.
    pub fn deployment_units(&self) -> &[DeploymentUnit] {
        &self.units
    }

    /// Carries out all operations, and keeps the results for DUStateChangeComplete.
    pub(super) async fn change_units(&mut self, operations: Vec<UnitOperation>, command_key: String) {
        let mut results = Vec::new();
        for operation in operations {
            match operation.kind {
                UnitOperationKind::Install => results.push(self.install(&operation).await),
                UnitOperationKind::Update => results.append(&mut self.update(&operation).await),
                UnitOperationKind::Uninstall => results.push(self.uninstall(&operation)),
            }
        }
        self.changed_units.push(CompletedChange { command_key, results });
    }

    async fn install(&mut self, operation: &UnitOperation) -> OperationResult {
        let start = now();
        let transfer = file_of(operation, &operation.url);
        let version = version_in(&transfer).unwrap_or_else(|| "1".to_owned());
        let uuid = if operation.uuid.is_empty() { uuid_of(&operation.url) } else { operation.uuid.clone() };
        let environments = &self.options.execution_environments;
        let environment = match operation.execution_env_ref.trim_end_matches('.') {
            "" => environments.first().cloned().unwrap_or_default(),
            named if environments.iter().any(|known| known == named) => named.to_owned(),
            _ => return failed(&uuid, &version, 9023),
        };
        if !is_uuid(&uuid) {
            return failed(&uuid, &version, 9022);
        }
        if self.units.iter().any(|unit| unit.uuid == uuid && unit.execution_env_ref == environment) {
            return failed(&uuid, &version, 9026);
        }
        if let Err(code) = download(&transfer, &self.options).await {
            return failed(&uuid, &version, code);
        }
        let number = self.units.iter().map(|unit| unit.number).max().unwrap_or(0) + 1;
        let url = operation.url.clone();
        let unit = DeploymentUnit { uuid, version, url, execution_env_ref: environment, number };
        let result = done(&unit, "Installed", start);
        self.units.push(unit);
        result
    }

    /// The unit with the UUID, or all from the URL, or simply all.
    async fn update(&mut self, operation: &UnitOperation) -> Vec<OperationResult> {
        let is_meant = |unit: &DeploymentUnit| match (operation.uuid.as_str(), operation.url.as_str()) {
            ("", "") => true,
            ("", url) => unit.url == url,
            (uuid, _) => unit.uuid == uuid && (operation.version.is_empty() || unit.version == operation.version),
        };
        let meant: Vec<usize> = (0..self.units.len()).filter(|&index| is_meant(&self.units[index])).collect();
        if meant.is_empty() {
            return vec![failed(&operation.uuid, &operation.version, 9028)];
        }
        let mut results = Vec::new();
        for index in meant {
            let start = now();
            let unit = self.units[index].clone();
            let url = if operation.url.is_empty() { unit.url.clone() } else { operation.url.clone() };
            let transfer = file_of(operation, &url);
            let version = version_in(&transfer).unwrap_or_else(|| "1".to_owned());
            let problem = match numbers(&version).cmp(&numbers(&unit.version)) {
                std::cmp::Ordering::Less => Some(9030),
                std::cmp::Ordering::Equal => Some(9032),
                std::cmp::Ordering::Greater => download(&transfer, &self.options).await.err(),
            };
            if let Some(code) = problem {
                results.push(failed(&unit.uuid, &unit.version, code));
                continue;
            }
            let updated = DeploymentUnit { version, url, ..unit };
            results.push(done(&updated, "Installed", start));
            self.units[index] = updated;
        }
        results
    }

    fn uninstall(&mut self, operation: &UnitOperation) -> OperationResult {
        let environment = operation.execution_env_ref.trim_end_matches('.');
        let place = self.units.iter().position(|unit| {
            unit.uuid == operation.uuid
                && (operation.version.is_empty() || unit.version == operation.version)
                && (environment.is_empty() || unit.execution_env_ref == environment)
        });
        match place {
            Some(place) => done(&self.units.remove(place), "Uninstalled", now()),
            None => failed(&operation.uuid, &operation.version, 9028),
        }
    }
}

fn done(unit: &DeploymentUnit, current_state: &'static str, start_time: String) -> OperationResult {
    OperationResult {
        uuid: unit.uuid.clone(),
        deployment_unit_ref: format!("Device.SoftwareModules.DeploymentUnit.{}.", unit.number),
        version: unit.version.clone(),
        current_state,
        start_time,
        complete_time: now(),
        fault: 0,
        operation: None,
    }
}

fn failed(uuid: &str, version: &str, code: u32) -> OperationResult {
    OperationResult {
        uuid: uuid.to_owned(),
        deployment_unit_ref: String::new(),
        version: version.to_owned(),
        current_state: "Failed",
        start_time: UNKNOWN_TIME.to_owned(),
        complete_time: UNKNOWN_TIME.to_owned(),
        fault: code,
        operation: None,
    }
}

fn file_of(operation: &UnitOperation, url: &str) -> Transfer {
    Transfer {
        url: url.to_owned(),
        username: operation.username.clone(),
        password: operation.password.clone(),
        ..Transfer::default()
    }
}

/// A UUID that is always the same for a URL.
fn uuid_of(url: &str) -> String {
    let digits = HEXLOWER.encode(&Md5::digest(url));
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The numbers in a version, to be compared one by one.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}
