//! The UDP port: STUN, connection requests to devices behind a NAT (TR-069 Annex G), and lightweight notifications.
//!
//! ```text
//!  port ── one socket: requests leave from where bindings were made, else no NAT would let them in
//!    ├ stun          messages
//!    ├ bindings      what is answered, and what is remembered of whom
//!    ├ accounts      whose user name it is
//!    ├ datagram      the connection request
//!    └ notification  values that devices tell without a session
//! ```
//!
//! Not here: which device is asked, how often, and what is made of a notification.

mod accounts;
mod bindings;
mod datagram;
mod notification;
mod port;
pub mod stun;

pub use bindings::{Binding, Bindings, StunAccount};
pub use datagram::{UdpRequest, signature};
pub use notification::{NotificationError, SignedNotification, parse as parse_notification};
pub use port::{UdpDirectory, UdpPort};
