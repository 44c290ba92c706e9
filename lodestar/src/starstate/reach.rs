//! How the command line reaches a router.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use routeros::{
    ClientOptions, Connector, PORT, REST_PORT, REST_TLS_PORT, Secret, TLS_PORT, TcpConnector, TlsConnector, Trust,
};
use starstate::management::Management;
use starstate::port::{ConnectorAt, Reach, ReachableRouter, RestReachable, own_address};
use tokio::net::lookup_host;

use super::arguments::RouterArguments;

/// A router, and how it is reached.
pub struct Reached {
    /// What sessions call it: host and port.
    pub name: String,
    /// The host alone.
    pub host: String,
    /// The connection; made when it is needed.
    pub port: Box<dyn Reach>,
    /// What must not be cut.
    pub management: Management,
}

/// Reads the options. Connects to nothing yet.
pub async fn reach(arguments: &RouterArguments) -> Result<Reached> {
    let trust = trust(arguments)?;
    let (service, usual_port) = match (arguments.rest, trust.is_some()) {
        (false, true) => ("api-ssl", TLS_PORT),
        (false, false) => ("api", PORT),
        (true, true) => ("www-ssl", REST_TLS_PORT),
        (true, false) => ("www", REST_PORT),
    };
    let (host, port) = host_and_port(&arguments.router, usual_port)?;
    let addresses: Vec<SocketAddr> =
        lookup_host((host.as_str(), port)).await.with_context(|| format!("{host:?} has no address"))?.collect();
    if trust.is_none() && !arguments.plain && !addresses.iter().all(|address| address.ip().is_loopback()) {
        bail!(
            "{host} is on another machine, so it is spoken to with TLS: give --tls-fingerprint (on the router: /certificate/print \
             detail) or --tls-ca; or --plain, if everybody on the way may see passwords and keys"
        );
    }
    let address = addresses.first().copied().with_context(|| format!("{host:?} has no address"))?;
    let management = Management {
        service: service.to_owned(),
        port,
        user: arguments.user.clone(),
        router: Some(address.ip()),
        peer: own_address(address),
    };
    let options = ClientOptions::new(arguments.user.clone(), password(arguments)?);
    let connector_at = connectors(&host, address, trust.as_ref())?;
    let reached: Box<dyn Reach> = match arguments.rest {
        true => Box::new(RestReachable::new(port, options, connector_at)?),
        false => Box::new(ReachableRouter::new(port, options, connector_at)),
    };
    let name = TcpConnector::new(host.clone(), port).address();
    Ok(Reached { name, host, port: reached, management })
}

/// Makes connectors to any port of a host, at the address that it was found to have.
fn connectors(host: &str, address: SocketAddr, trust: Option<&Trust>) -> Result<Box<ConnectorAt>> {
    Ok(match trust {
        None => Box::new(move |port| Box::new(TcpConnector::new(address.ip().to_string(), port))),
        Some(trust) => {
            let connector = TlsConnector::new(host, address.port(), trust)?;
            Box::new(move |port| Box::new(connector.clone().at(SocketAddr::new(address.ip(), port))))
        }
    })
}

fn trust(arguments: &RouterArguments) -> Result<Option<Trust>> {
    if let Some(fingerprint) = &arguments.tls_fingerprint {
        return Ok(Some(Trust::Fingerprint(fingerprint.parse()?)));
    }
    let Some(file) = &arguments.tls_ca else { return Ok(None) };
    let pem = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(Some(Trust::authorities(&pem).with_context(|| file.display().to_string())?))
}

fn password(arguments: &RouterArguments) -> Result<Secret> {
    match &arguments.password_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).into())
        }
        None => match std::env::var("LODESTAR_ROUTER_PASSWORD") {
            Ok(password) => Ok(password.as_str().into()),
            Err(_) => bail!("no password: give --password-file, or LODESTAR_ROUTER_PASSWORD in the environment"),
        },
    }
}

/// `192.0.2.1`, `192.0.2.1:8728`, `[2001:db8::1]:8728`, `2001:db8::1`, `router.example:8728`.
fn host_and_port(address: &str, default: u16) -> Result<(String, u16)> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Ok((address.ip().to_string(), address.port()));
    }
    if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((address.to_string(), default));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => {
            (host, port.parse().with_context(|| format!("--router {address:?}: {port:?} is no port"))?)
        }
        None => (address, default),
    };
    if host.is_empty() || host.contains([':', '/', '@', ' ']) {
        bail!("--router {address:?} is neither an address nor a host's name, with or without a port");
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("192.0.2.1", Some(("192.0.2.1", 1))),
            ("192.0.2.1:8728", Some(("192.0.2.1", 8728))),
            ("[2001:db8::1]:8728", Some(("2001:db8::1", 8728))),
            ("2001:db8::1", Some(("2001:db8::1", 1))),
            ("[2001:db8::1]", Some(("2001:db8::1", 1))),
            ("router.example", Some(("router.example", 1))),
            ("router.example:8729", Some(("router.example", 8729))),
            ("router.example:x", None),
            ("http://router.example", None),
            (":8728", None),
            ("", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_and_port(text, 1).ok(), expected, "{text}");
        }
    }
}
