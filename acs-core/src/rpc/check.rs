//! Whether a request may be sent as it is: lengths, characters, file types and time windows as the standard's schemas have them.
//!
//! Operators' mistakes are refused when a task is made, a script's when it would be sent. Not here: SetParameterValues' values,
//! which are the device's to judge.

use super::acs_request::{AcsRequest, DUOperation, Download, ScheduleDownload, TimeWindow, Upload};
use super::vendor::{VendorArgument, VendorValue};

/// The most windows of a ScheduleDownload.
pub const MAX_TIME_WINDOWS: usize = 2;
/// How deep a vendor's arguments may be nested.
const MAX_VENDOR_DEPTH: usize = 16;
const DOWNLOAD_FILE_TYPES: [&str; 6] = [
    "1 Firmware Upgrade Image",
    "2 Web Content",
    "3 Vendor Configuration File",
    "4 Tone File",
    "5 Ringer File",
    "6 Stored Firmware Image",
];
const UPLOAD_FILE_TYPES: [&str; 2] = ["1 Vendor Configuration File", "2 Vendor Log File"];
/// These are followed by a blank and the number of an instance.
const NUMBERED_UPLOAD_FILE_TYPES: [&str; 2] = ["3 Vendor Configuration File", "4 Vendor Log File"];
const WINDOW_MODES: [&str; 4] = ["1 At Any Time", "2 Immediately", "3 When Idle", "4 Confirmation Needed"];

/// An argument that no conforming device would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// Longer than the schema allows.
    #[error("{argument} has {length} characters; at most {most} are allowed")]
    TooLong {
        /// Which argument.
        argument: &'static str,
        /// Its length in characters.
        length: usize,
        /// The longest that is allowed.
        most: usize,
    },
    /// A character that XML 1.0 §2.2 does not have.
    #[error("{argument} has the character U+{:04X}, which XML cannot hold", u32::from(*character))]
    NotXml {
        /// Which argument.
        argument: &'static str,
        /// The character.
        character: char,
    },
    /// None of the standard's file types.
    #[error(
        "FileType {given:?} is none of {allowed}, and no vendor's type (X, a blank, six digits 0-9A-F, a blank, a text)"
    )]
    FileType {
        /// What was given.
        given: String,
        /// The standard's.
        allowed: &'static str,
    },
    /// Credentials in a URL, where devices do not take them.
    #[error("the URL must not contain a user name; there are arguments for it")]
    UserInfo,
    /// Without it the request means nothing.
    #[error("{0} is required")]
    Missing(&'static str),
    /// Time windows that do not fit.
    #[error("{0}")]
    TimeWindows(String),
    /// A number out of range.
    #[error("DelaySeconds must be at least 1")]
    NoDelay,
    /// No version to tell units apart.
    #[error("{0}")]
    Operation(String),
    /// No text in Base64.
    #[error("voucher {0} is not in Base64")]
    Voucher(usize),
    /// A vendor's method or argument that is no XML name.
    #[error("{0:?} is not the name of a vendor's method or argument")]
    VendorName(String),
    /// A vendor's arguments are nested too deep.
    #[error("arguments are nested more than {MAX_VENDOR_DEPTH} deep")]
    TooDeep,
}

impl AcsRequest {
    /// Whether a conforming device could take the request.
    ///
    /// # Errors
    /// The first argument that it could not.
    pub fn check(&self) -> Result<(), ArgumentError> {
        match self {
            AcsRequest::GetParameterNames { parameter_path, .. } => text("ParameterPath", parameter_path, 256),
            AcsRequest::SetParameterValues { parameter_key, .. } => text("ParameterKey", parameter_key, 32),
            AcsRequest::AddObject { object_name, parameter_key }
            | AcsRequest::DeleteObject { object_name, parameter_key } => {
                text("ObjectName", object_name, 256)?;
                text("ParameterKey", parameter_key, 32)
            }
            AcsRequest::Download(download) => check_download(download),
            AcsRequest::ScheduleDownload(download) => check_schedule_download(download),
            AcsRequest::Upload(upload) => check_upload(upload),
            AcsRequest::Reboot { command_key } => key(command_key),
            AcsRequest::CancelTransfer { command_key } if command_key.is_empty() => {
                Err(ArgumentError::Missing("CommandKey"))
            }
            AcsRequest::CancelTransfer { command_key } => key(command_key),
            AcsRequest::ScheduleInform { delay_seconds: 0, .. } => Err(ArgumentError::NoDelay),
            AcsRequest::ScheduleInform { command_key, .. } => key(command_key),
            AcsRequest::ChangeDUState { operations, command_key } => {
                key(command_key)?;
                if operations.is_empty() {
                    return Err(ArgumentError::Missing("Operations"));
                }
                operations.iter().try_for_each(check_operation)
            }
            AcsRequest::SetVouchers { voucher_list } => {
                let invalid = voucher_list.iter().position(|voucher| !is_base64(voucher));
                invalid.map_or(Ok(()), |index| Err(ArgumentError::Voucher(index + 1)))
            }
            AcsRequest::GetOptions { option_name } => text("OptionName", option_name, 64),
            AcsRequest::Vendor(request) => {
                if !request.method.starts_with("X_") || !is_element_name(&request.method) {
                    return Err(ArgumentError::VendorName(request.method.clone()));
                }
                check_vendor(&request.arguments, MAX_VENDOR_DEPTH)
            }
            AcsRequest::GetRPCMethods
            | AcsRequest::GetParameterValues { .. }
            | AcsRequest::GetParameterAttributes { .. }
            | AcsRequest::SetParameterAttributes { .. }
            | AcsRequest::FactoryReset
            | AcsRequest::GetQueuedTransfers
            | AcsRequest::GetAllQueuedTransfers => Ok(()),
        }
    }
}

fn check_download(download: &Download) -> Result<(), ArgumentError> {
    key(&download.command_key)?;
    download_file_type(&download.file_type)?;
    url(&download.url, 256)?;
    text("Username", &download.username, 256)?;
    text("Password", &download.password, 256)?;
    text("TargetFileName", &download.target_file_name, 256)
}

fn check_schedule_download(download: &ScheduleDownload) -> Result<(), ArgumentError> {
    key(&download.command_key)?;
    download_file_type(&download.file_type)?;
    url(&download.url, 256)?;
    text("Username", &download.username, 256)?;
    text("Password", &download.password, 256)?;
    text("TargetFileName", &download.target_file_name, 256)?;
    time_windows(&download.time_window_list)
}

fn check_upload(upload: &Upload) -> Result<(), ArgumentError> {
    key(&upload.command_key)?;
    upload_file_type(&upload.file_type)?;
    url(&upload.url, 256)?;
    text("Username", &upload.username, 256)?;
    text("Password", &upload.password, 256)
}

/// Checks a FileType of Download and ScheduleDownload.
///
/// # Errors
/// It is none of them.
pub fn download_file_type(file_type: &str) -> Result<(), ArgumentError> {
    text("FileType", file_type, 64)?;
    if DOWNLOAD_FILE_TYPES.contains(&file_type) || is_vendors(file_type) {
        return Ok(());
    }
    let allowed = "1 Firmware Upgrade Image, 2 Web Content, 3 Vendor Configuration File, 4 Tone File, 5 Ringer File, \
                   6 Stored Firmware Image";
    Err(ArgumentError::FileType { given: file_type.to_owned(), allowed })
}

/// Checks a FileType of Upload.
///
/// # Errors
/// It is none of them.
pub fn upload_file_type(file_type: &str) -> Result<(), ArgumentError> {
    text("FileType", file_type, 64)?;
    let is_numbered = NUMBERED_UPLOAD_FILE_TYPES.iter().any(|known| {
        let number = file_type.strip_prefix(known).and_then(|rest| rest.strip_prefix(' '));
        number.is_some_and(|number| !number.starts_with('0') && number.parse::<u32>().is_ok())
    });
    if UPLOAD_FILE_TYPES.contains(&file_type) || is_numbered || is_vendors(file_type) {
        return Ok(());
    }
    let allowed = "1 Vendor Configuration File, 2 Vendor Log File, 3 Vendor Configuration File <number>, \
                   4 Vendor Log File <number>";
    Err(ArgumentError::FileType { given: file_type.to_owned(), allowed })
}

/// `X <OUI> <text>`
fn is_vendors(text: &str) -> bool {
    let mut parts = text.splitn(3, ' ');
    let (x, oui, rest) = (parts.next(), parts.next().unwrap_or(""), parts.next());
    let is_oui = oui.len() == 6 && oui.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    x == Some("X") && is_oui && rest.is_some_and(|rest| !rest.is_empty())
}

/// Checks the windows of a ScheduleDownload.
///
/// # Errors
/// There are too many or too few, one ends before it begins, they overlap, or a mode or number is not defined.
pub fn time_windows(windows: &[TimeWindow]) -> Result<(), ArgumentError> {
    let wrong = |what: String| Err(ArgumentError::TimeWindows(what));
    if windows.is_empty() || windows.len() > MAX_TIME_WINDOWS {
        return wrong(format!("one or two time windows are needed, not {}", windows.len()));
    }
    for (index, window) in windows.iter().enumerate() {
        let number = index + 1;
        if window.window_start >= window.window_end {
            return wrong(format!("time window {number}: WindowStart must be less than WindowEnd"));
        }
        if !WINDOW_MODES.contains(&window.window_mode.as_str()) && !is_vendors(&window.window_mode) {
            let modes = WINDOW_MODES.join(", ");
            return wrong(format!("time window {number}: WindowMode {:?} is none of {modes}", window.window_mode));
        }
        if window.max_retries < -1 {
            return wrong(format!("time window {number}: MaxRetries must be -1 or more"));
        }
        text("WindowMode", &window.window_mode, 64)?;
        text("UserMessage", &window.user_message, 256)?;
    }
    if let [first, second] = windows
        && first.window_end > second.window_start
    {
        return wrong("the second time window must begin after the first has ended".to_owned());
    }
    Ok(())
}

fn check_operation(operation: &DUOperation) -> Result<(), ArgumentError> {
    match operation {
        DUOperation::Install { url: from, uuid, username, password, execution_env_ref } => {
            if from.is_empty() {
                return Err(ArgumentError::Operation("Install needs a URL".to_owned()));
            }
            url(from, 1024)?;
            check_uuid(uuid)?;
            text("Username", username, 256)?;
            text("Password", password, 256)?;
            text("ExecutionEnvRef", execution_env_ref, 256)
        }
        DUOperation::Update { uuid, version, url: from, username, password } => {
            if uuid.is_empty() && from.is_empty() && !version.is_empty() {
                let what = "Update with a Version needs the UUID, or the URL, of what is to be updated";
                return Err(ArgumentError::Operation(what.to_owned()));
            }
            url(from, 1024)?;
            check_uuid(uuid)?;
            text("Version", version, 32)?;
            text("Username", username, 256)?;
            text("Password", password, 256)
        }
        DUOperation::Uninstall { uuid, version, execution_env_ref } => {
            if uuid.is_empty() {
                return Err(ArgumentError::Operation("Uninstall needs a UUID".to_owned()));
            }
            check_uuid(uuid)?;
            text("Version", version, 32)?;
            text("ExecutionEnvRef", execution_env_ref, 256)
        }
    }
}

/// `8-4-4-4-12` hexadecimal digits, or nothing.
fn check_uuid(uuid: &str) -> Result<(), ArgumentError> {
    let is_hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    if uuid.is_empty() || lengths == [8, 4, 4, 4, 12] && uuid.split('-').all(is_hexadecimal) {
        return Ok(());
    }
    Err(ArgumentError::Operation(format!("{uuid:?} is not a UUID")))
}

fn check_vendor(arguments: &[VendorArgument], depth: usize) -> Result<(), ArgumentError> {
    if depth == 0 {
        return Err(ArgumentError::TooDeep);
    }
    arguments.iter().try_for_each(|argument| {
        if !is_element_name(&argument.name) {
            return Err(ArgumentError::VendorName(argument.name.clone()));
        }
        match &argument.value {
            VendorValue::Text(value) => text("an argument", value, usize::MAX),
            VendorValue::Elements(inner) => check_vendor(inner, depth - 1),
        }
    })
}

/// Names of elements as CWMP uses them; XML would allow more.
fn is_element_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn key(command_key: &str) -> Result<(), ArgumentError> {
    text("CommandKey", command_key, 32)
}

fn url(url: &str, most: usize) -> Result<(), ArgumentError> {
    text("URL", url, most)?;
    let authority = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if authority.contains('@') { Err(ArgumentError::UserInfo) } else { Ok(()) }
}

/// Checks a text's length in characters, and the characters themselves.
///
/// # Errors
/// It is too long, or XML cannot hold it.
pub fn text(argument: &'static str, text: &str, most: usize) -> Result<(), ArgumentError> {
    let length = text.chars().count();
    if length > most {
        return Err(ArgumentError::TooLong { argument, length, most });
    }
    match text.chars().find(|&character| !is_xml_character(character)) {
        Some(character) => Err(ArgumentError::NotXml { argument, character }),
        None => Ok(()),
    }
}

/// Whether XML 1.0 §2.2 allows the character.
pub fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// RFC 4648 §4, with its padding.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    padding <= 2
        && text.len().is_multiple_of(4)
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_types_are_the_schemas() {
        let downloads = [
            ("1 Firmware Upgrade Image", true),
            ("5 Ringer File", true),
            ("X 0A1B2C anything", true),
            ("X 0A1B2C ", false),
            ("X 0a1b2c anything", false),
            ("1", false),
            ("", false),
            ("1 Vendor Configuration File", false),
        ];
        for (file_type, is_allowed) in downloads {
            assert_eq!(download_file_type(file_type).is_ok(), is_allowed, "{file_type:?}");
        }
        let uploads = [
            ("1 Vendor Configuration File", true),
            ("2 Vendor Log File", true),
            ("3 Vendor Configuration File", false),
            ("3 Vendor Configuration File 1", true),
            ("4 Vendor Log File 12", true),
            ("4 Vendor Log File 0", false),
            ("4 Vendor Log File x", false),
            ("X 001122 Dump", true),
        ];
        for (file_type, is_allowed) in uploads {
            assert_eq!(upload_file_type(file_type).is_ok(), is_allowed, "{file_type:?}");
        }
    }

    #[test]
    fn windows_follow_each_other() {
        let window = |start, end| TimeWindow {
            window_start: start,
            window_end: end,
            window_mode: "1 At Any Time".to_owned(),
            ..TimeWindow::default()
        };
        let cases = [
            (vec![window(0, 60)], ""),
            (vec![window(0, 60), window(60, 90)], ""),
            (vec![], "one or two time windows are needed, not 0"),
            (vec![window(0, 1), window(2, 3), window(4, 5)], "one or two time windows are needed, not 3"),
            (vec![window(60, 60)], "time window 1: WindowStart must be less than WindowEnd"),
            (vec![window(0, 60), window(59, 90)], "the second time window must begin after the first has ended"),
            (vec![TimeWindow { max_retries: -2, ..window(0, 1) }], "time window 1: MaxRetries must be -1 or more"),
        ];
        for (windows, expected) in cases {
            let found = time_windows(&windows).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(found, expected);
        }
        let odd = TimeWindow { window_mode: "later".to_owned(), ..window(0, 1) };
        assert!(time_windows(&[odd]).is_err());
    }

    #[test]
    fn lengths_and_characters_are_checked_by_the_character() {
        let cancel = |command_key: String| AcsRequest::CancelTransfer { command_key }.check();
        assert_eq!(cancel("ä".repeat(32)), Ok(()));
        let error = ArgumentError::TooLong { argument: "CommandKey", length: 33, most: 32 };
        assert_eq!(cancel("a".repeat(33)), Err(error));
        assert_eq!(
            cancel("a\u{1}".to_owned()).unwrap_err().to_string(),
            "CommandKey has the character U+0001, which XML cannot hold"
        );
        assert_eq!(cancel(String::new()), Err(ArgumentError::Missing("CommandKey")));
        let download = |url: &str| {
            let file_type = "2 Web Content".to_owned();
            AcsRequest::Download(Download { file_type, url: url.to_owned(), ..Download::default() }).check()
        };
        assert_eq!(download("http://files.example/a@b"), Ok(()));
        assert_eq!(download("http://user:word@files.example/a"), Err(ArgumentError::UserInfo));
        assert!(download(&format!("http://files.example/{}", "a".repeat(256))).is_err());
    }

    #[test]
    fn operations_name_their_unit() {
        let uuid = "00112233-4455-6677-8899-aabbccddeeff".to_owned();
        let install = |url: &str, uuid: &str| DUOperation::Install {
            url: url.to_owned(),
            uuid: uuid.to_owned(),
            username: String::new(),
            password: String::new(),
            execution_env_ref: String::new(),
        };
        let uninstall = |uuid: &str, version: &str| DUOperation::Uninstall {
            uuid: uuid.to_owned(),
            version: version.to_owned(),
            execution_env_ref: String::new(),
        };
        let cases = [
            (install("http://files.example/unit", ""), true),
            (install("http://files.example/unit", &uuid), true),
            (install("", &uuid), false),
            (install("http://files.example/unit", "not a UUID"), false),
            (install(&format!("http://files.example/{}", "u".repeat(1100)), ""), false),
            (uninstall(&uuid, "1.0"), true),
            (uninstall("", "1.0"), false),
            (uninstall(&uuid, &"1".repeat(33)), false),
        ];
        for (operation, is_allowed) in cases {
            let request = AcsRequest::ChangeDUState { operations: vec![operation], command_key: "k".to_owned() };
            assert_eq!(request.check().is_ok(), is_allowed, "{request:?}");
        }
    }

    #[test]
    fn vouchers_are_base64_and_vendors_names_are_names() {
        let vouchers = |voucher: &str| AcsRequest::SetVouchers { voucher_list: vec![voucher.to_owned()] }.check();
        assert_eq!((vouchers("QUJD"), vouchers("QUI="), vouchers("")), (Ok(()), Ok(()), Ok(())));
        assert_eq!(vouchers("QU I="), Err(ArgumentError::Voucher(1)));
        let vendor = |method: &str, name: &str| {
            let value =
                VendorValue::Elements(vec![VendorArgument { name: name.into(), value: VendorValue::Text("t".into()) }]);
            let arguments = vec![VendorArgument { name: "Outer".into(), value }];
            AcsRequest::Vendor(super::super::VendorRequest { method: method.into(), arguments }).check()
        };
        assert_eq!(vendor("X_001122_Probe", "Inner"), Ok(()));
        assert!(vendor("Reboot", "Inner").is_err());
        assert!(vendor("X_001122_Probe><x", "Inner").is_err());
        assert!(vendor("X_001122_Probe", "In ner").is_err());
    }
}
