//! What the standard's schema says of requests: their elements and the order of these.

/// The arguments of each method, in the schema's order. ChangeDUState is not here: its Operations are repeated.
pub(super) const ARGUMENTS: &[(&str, &[&str])] = &[
    ("GetRPCMethods", &[]),
    ("GetParameterNames", &["ParameterPath", "NextLevel"]),
    ("GetParameterValues", &["ParameterNames"]),
    ("SetParameterValues", &["ParameterList", "ParameterKey"]),
    ("GetParameterAttributes", &["ParameterNames"]),
    ("SetParameterAttributes", &["ParameterList"]),
    ("AddObject", &["ObjectName", "ParameterKey"]),
    ("DeleteObject", &["ObjectName", "ParameterKey"]),
    (
        "Download",
        &[
            "CommandKey",
            "FileType",
            "URL",
            "Username",
            "Password",
            "FileSize",
            "TargetFileName",
            "DelaySeconds",
            "SuccessURL",
            "FailureURL",
        ],
    ),
    ("Upload", &["CommandKey", "FileType", "URL", "Username", "Password", "DelaySeconds"]),
    (
        "ScheduleDownload",
        &["CommandKey", "FileType", "URL", "Username", "Password", "FileSize", "TargetFileName", "TimeWindowList"],
    ),
    ("Reboot", &["CommandKey"]),
    ("FactoryReset", &[]),
    ("ScheduleInform", &["DelaySeconds", "CommandKey"]),
    ("CancelTransfer", &["CommandKey"]),
    ("GetQueuedTransfers", &[]),
    ("GetAllQueuedTransfers", &[]),
    ("SetVouchers", &["VoucherList"]),
    ("GetOptions", &["OptionName"]),
];
/// The elements of TimeWindowStruct.
pub(super) const TIME_WINDOW: &[&str] = &["WindowStart", "WindowEnd", "WindowMode", "UserMessage", "MaxRetries"];
