//! File transfers: fetching what Download names, sending what Upload asks for (TR-069 Annex A.3.2.8, A.4.1.5).

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use tokio::time::sleep;

use super::calls::CompletedTransfer;
use super::{Device, Options, now};
use crate::http::{Body, Client, Credentials, HttpError, Method, TlsClient, Url};
use crate::soap::{Transfer, TransferComplete, fault_text};

/// A file that a device has fetched or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferredFile {
    /// True for Upload.
    pub upload: bool,
    /// FileType of the RPC.
    pub file_type: String,
    /// Where it came from or went.
    pub url: String,
    /// Size in bytes.
    pub size: u64,
    /// MD5 of the content in lower-case hexadecimal.
    pub md5: String,
}

impl Device {
    /// Carries out a transfer; what came of it is in the result. A new firmware changes SoftwareVersion when the
    /// file's name has a version in it.
    pub(super) async fn carry_out_transfer(&mut self, transfer: &Transfer) -> CompletedTransfer {
        let event = match transfer {
            Transfer { upload: true, .. } => "M Upload",
            scheduled if !scheduled.windows.is_empty() => "M ScheduleDownload",
            _ => "M Download",
        };
        let start = now();
        let result = match transfer.upload {
            true => upload(transfer, &self.options, self.model.to_json()).await,
            false => download(transfer, &self.options).await,
        };
        let report = match result {
            Ok(content) => {
                self.files.push(TransferredFile {
                    upload: transfer.upload,
                    file_type: transfer.file_type.clone(),
                    url: transfer.url.clone(),
                    size: content.len() as u64,
                    md5: HEXLOWER.encode(&Md5::digest(&content)),
                });
                if is_firmware(transfer)
                    && let Some(version) = version_in(transfer)
                {
                    self.model.set_root_text("DeviceInfo.SoftwareVersion", &version);
                }
                TransferComplete::done(&transfer.command_key, start, now())
            }
            Err(code) => TransferComplete::failed(&transfer.command_key, code, fault_text(code)),
        };
        CompletedTransfer { event, report }
    }

    /// As [`Device::carry_out_transfer`], within a ScheduleDownload's windows: what fails in the first is tried again in the
    /// second.
    pub(super) async fn carry_out_in_windows(&mut self, transfer: &Transfer) -> CompletedTransfer {
        let mut since = 0;
        let mut done = None;
        for &(start, _) in &transfer.windows {
            sleep(self.options.delay(start.saturating_sub(since))).await;
            since = start;
            let attempt = self.carry_out_transfer(transfer).await;
            let succeeded = attempt.report.fault.is_none();
            done = Some(attempt);
            if succeeded {
                break;
            }
        }
        match done {
            Some(done) => done,
            None => self.carry_out_transfer(transfer).await,
        }
    }
}

/// Whether a transfer brings new firmware, after which the device restarts.
pub(super) fn is_firmware(transfer: &Transfer) -> bool {
    !transfer.upload && transfer.file_type.starts_with("1 ")
}

pub(super) async fn download(transfer: &Transfer, options: &Options) -> Result<Vec<u8>, u32> {
    let mut client = client_for(transfer, options)?;
    let mut content = Vec::new();
    let mut tag: Option<String> = None;
    loop {
        if let Some(piece) = options.fetch_piece_bytes {
            let first = content.len() as u64;
            client.headers = vec![("Range", format!("bytes={first}-{}", first + piece.max(1) - 1))];
            client.headers.extend(tag.take().map(|tag| ("If-Range", tag)));
        }
        let response = client.send(Method::Get, Body::Sized(&[])).await.map_err(|error| match error {
            HttpError::Connect { .. } => 9015u32,
            HttpError::Timeout(_) | HttpError::Closed(_) | HttpError::Io(_) => 9017,
            _ => 9010,
        })?;
        match response.status {
            // The whole file, also when it has changed since the first piece.
            200 => {
                content = response.body;
                break;
            }
            206 => content.extend(&response.body),
            401 | 403 => return Err(9012),
            404 | 410 => return Err(9016),
            _ => return Err(9010),
        }
        tag = response.head.all("ETag").next().map(str::to_owned);
        let whole = response.head.all("Content-Range").next().and_then(|range| range.rsplit('/').next()?.parse().ok());
        if whole.is_none_or(|whole: u64| content.len() as u64 >= whole) || response.body.is_empty() {
            break;
        }
    }
    if transfer.file_size != 0 && transfer.file_size != content.len() as u64 {
        return Err(9018);
    }
    Ok(content)
}

async fn upload(transfer: &Transfer, options: &Options, content: String) -> Result<Vec<u8>, u32> {
    let mut client = client_for(transfer, options)?;
    let content = content.into_bytes();
    let response = client.send(Method::Put, Body::Sized(&content)).await.map_err(|_| 9011u32)?;
    match response.status {
        200..300 => Ok(content),
        401 | 403 => Err(9012),
        _ => Err(9011),
    }
}

fn client_for(transfer: &Transfer, options: &Options) -> Result<Client, u32> {
    let url = Url::parse(&transfer.url).map_err(|_| 9013u32)?;
    let credentials = Credentials { username: transfer.username.clone(), password: transfer.password.clone() };
    let is_encrypted = url.is_encrypted;
    let mut client = Client::new(url, credentials, options.timeout());
    client.set_habits(options.habits.http.clone());
    if is_encrypted {
        client.tls = Some(TlsClient::new(&options.tls).map_err(|_| 9015u32)?);
    }
    Ok(client)
}

/// The version in a firmware's file name: the last part between `-`, `_` and the extension that begins with a digit (or
/// `v` and a digit) and has a dot, e.g. `2.0.1` in `gateway-v2.0.1.bin`.
pub(super) fn version_in(transfer: &Transfer) -> Option<String> {
    let path = transfer.url.split(['?', '#']).next().unwrap_or_default();
    let from_url = path.rsplit('/').next().unwrap_or_default();
    let name = match transfer.target_file_name.as_str() {
        "" => from_url,
        target => target,
    };
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.bytes().any(|byte| byte.is_ascii_alphabetic()) => stem,
        _ => name,
    };
    stem.rsplit(['-', '_'])
        .map(|part| part.strip_prefix('v').unwrap_or(part))
        .find(|part| part.starts_with(|first: char| first.is_ascii_digit()) && part.contains('.'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_target_or_the_url() {
        let table = [
            ("http://h/files/gateway-v2.0.1.bin", "", Some("2.0.1")),
            ("http://h/gateway_3.1_full.img?token=1-9.9", "", Some("3.1")),
            ("http://h/x", "fw-4.5.6", Some("4.5.6")),
            ("http://h/firmware.bin", "", None),
            ("http://h/", "", None),
        ];
        for (url, target, version) in table {
            let transfer = Transfer { url: url.into(), target_file_name: target.into(), ..Transfer::default() };
            assert_eq!(version_in(&transfer).as_deref(), version, "{url} {target}");
        }
    }
}
