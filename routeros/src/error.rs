//! Why a command did not succeed.

use std::time::Duration;

use crate::command::CommandError;
use crate::reply::UnknownReply;
use crate::sentence::DecodeError;
use crate::trap::{ErrorClass, Trap};

/// Why a command did not succeed, or a connection could not be made. Holds no secrets.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The command cannot be sent.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The router refused the command. It may have done a part of it nevertheless: read again before deciding.
    #[error("{command}: {}", join(traps))]
    Trap {
        /// What was sent, such as `/ip/address/add`.
        command: String,
        /// At least one.
        traps: Vec<Trap>,
    },
    /// No answer in time.
    #[error("{command}: no answer within {} ms", after.as_millis())]
    Timeout {
        /// What was sent.
        command: String,
        /// How long it was allowed to take.
        after: Duration,
        /// Whether it was sent, so that nobody knows whether it was carried out.
        sent: bool,
    },
    /// The connection ended while the command was under way.
    #[error("connection lost: {reason}")]
    Lost {
        /// What is known.
        reason: String,
    },
    /// The router ended the connection.
    #[error("the router closed the connection: {reason}")]
    Fatal {
        /// As it says.
        reason: String,
    },
    /// There is no connection; the command was not sent.
    #[error("not connected: {reason}")]
    NotConnected {
        /// Why.
        reason: String,
    },
    /// The connection cannot be made.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The router does not let this user in.
    #[error("login as {user:?} failed: {reason}")]
    Login {
        /// Who.
        user: String,
        /// As the router says.
        reason: String,
    },
    /// What came is not the RouterOS API.
    #[error("not the RouterOS API: {0}")]
    Protocol(ProtocolError),
    /// The answer is larger than accepted.
    #[error("{command}: an answer of more than {limit} bytes")]
    TooLarge {
        /// What was sent.
        command: String,
        /// What is accepted.
        limit: usize,
    },
    /// Rows came faster than they were taken.
    #[error("{command}: rows came faster than they were taken")]
    Lagged {
        /// What was sent.
        command: String,
    },
}

/// What is wrong with the bytes that came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// They are no sentences.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A sentence is no reply.
    #[error(transparent)]
    Reply(#[from] UnknownReply),
}

impl Error {
    /// What it means for whoever sent the command.
    pub fn class(&self) -> ErrorClass {
        match self {
            // The first trap says most; those after it are consequences.
            Error::Trap { traps, .. } => traps.first().map_or(ErrorClass::Other, Trap::class),
            Error::Login { .. } => ErrorClass::Login,
            Error::Timeout { .. }
            | Error::Lost { .. }
            | Error::Fatal { .. }
            | Error::NotConnected { .. }
            | Error::Connect { .. }
            | Error::Lagged { .. } => ErrorClass::Transient,
            Error::Command(_) | Error::Protocol(_) | Error::TooLarge { .. } => ErrorClass::Other,
        }
    }

    /// Whether the command may have been carried out although no answer came. Read by key before repeating it.
    pub fn is_state_unknown(&self) -> bool {
        match self {
            Error::Timeout { sent, .. } => *sent,
            Error::Lost { .. } | Error::Fatal { .. } | Error::Protocol(_) | Error::TooLarge { .. } => true,
            Error::Command(_)
            | Error::Trap { .. }
            | Error::NotConnected { .. }
            | Error::Connect { .. }
            | Error::Login { .. }
            | Error::Lagged { .. } => false,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Error::Protocol(error.into())
    }
}

impl From<UnknownReply> for Error {
    fn from(error: UnknownReply) -> Self {
        Error::Protocol(error.into())
    }
}

fn join(traps: &[Trap]) -> String {
    traps.iter().map(|trap| trap.message.as_str()).collect::<Vec<_>>().join("; ")
}
