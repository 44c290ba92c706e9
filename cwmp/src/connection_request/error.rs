//! Why a device could not be asked.

/// Why a device could not be asked. The text is what operators see; [`ConnectionRequestError::code`] tells reasons with the same
/// text apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionRequestError {
    /// There is no such device.
    #[error("No such device")]
    NoSuchDevice,
    /// Nothing is known by which the device could be asked.
    #[error("The device has not told its connection request URL")]
    NoAddress,
    /// The URL makes no sense.
    #[error("Invalid connection request URL")]
    InvalidUrl,
    /// The URL is not one of HTTP.
    #[error("Invalid connection request URL or protocol")]
    UnsupportedProtocol,
    /// The URL leads to where this server must not be sent.
    #[error("Connection request refused: {0} is not an address for devices")]
    AddressRefused(String),
    /// The URL leads to a port that is no device's.
    #[error("Connection request refused: {0} is not a port for devices")]
    PortRefused(u16),
    /// Nobody answers.
    #[error("Device is offline")]
    Offline(Silence),
    /// The device is in session, and stays so.
    #[error("Device is in session")]
    InSession,
    /// Somebody has asked too often.
    #[error("Too many connection requests")]
    TooMany,
    /// The device asks for what is not allowed.
    #[error("Basic HTTP authentication not allowed")]
    BasicNotAllowed,
    /// The device asks for what is not known.
    #[error("Unrecognized auth method")]
    UnknownMethod,
    /// The device asks for something that cannot be read.
    #[error("Error parsing www-authenticate header")]
    UnreadableChallenge,
    /// The device refuses the credentials.
    #[error("Incorrect connection request credentials")]
    WrongCredentials,
    /// The device answers something else.
    #[error("Unexpected status code {0}")]
    UnexpectedStatus(u16),
    /// Anything else.
    #[error("Connection request error: {0}")]
    Failed(String),
}

/// How a device is offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It takes no connection.
    Refused,
    /// It breaks the connection off, or says nothing on it.
    Dropped,
    /// It did not answer in time.
    TimedOut,
    /// There is no way to it.
    Unreachable,
    /// The name in its URL has no address.
    UnknownName,
    /// It says that it is busy (503), most likely with a session.
    Busy,
    /// It is not there, says who would know (XMPP).
    Unavailable,
}

impl ConnectionRequestError {
    /// The reason in one word, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            ConnectionRequestError::NoSuchDevice => "no_such_device",
            ConnectionRequestError::NoAddress => "no_address",
            ConnectionRequestError::InvalidUrl => "invalid_url",
            ConnectionRequestError::UnsupportedProtocol => "unsupported_protocol",
            ConnectionRequestError::AddressRefused(_) => "address_refused",
            ConnectionRequestError::PortRefused(_) => "port_refused",
            ConnectionRequestError::Offline(Silence::Refused) => "connection_refused",
            ConnectionRequestError::Offline(Silence::Dropped) => "connection_dropped",
            ConnectionRequestError::Offline(Silence::TimedOut) => "timed_out",
            ConnectionRequestError::Offline(Silence::Unreachable) => "unreachable",
            ConnectionRequestError::Offline(Silence::UnknownName) => "unknown_name",
            ConnectionRequestError::Offline(Silence::Busy) => "busy",
            ConnectionRequestError::Offline(Silence::Unavailable) => "unavailable",
            ConnectionRequestError::InSession => "in_session",
            ConnectionRequestError::TooMany => "too_many",
            ConnectionRequestError::BasicNotAllowed => "basic_not_allowed",
            ConnectionRequestError::UnknownMethod => "unknown_method",
            ConnectionRequestError::UnreadableChallenge => "unreadable_challenge",
            ConnectionRequestError::WrongCredentials => "wrong_credentials",
            ConnectionRequestError::UnexpectedStatus(_) => "unexpected_status",
            ConnectionRequestError::Failed(_) => "failed",
        }
    }
}

impl From<&std::io::Error> for Silence {
    fn from(error: &std::io::Error) -> Silence {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Silence::Refused,
            ErrorKind::TimedOut => Silence::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Silence::Unreachable,
            _ => Silence::Dropped,
        }
    }
}
