//! Addresses as people write them: `host:port`, kept as written until they are bound or called.
//!
//! Parsing never resolves a name: a configuration can be checked on a machine that cannot reach the others.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, TcpListener};
use std::str::FromStr;

/// A host (name, IPv4 or bracketed IPv6) and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn loopback(port: u16) -> Self {
        Self { host: "127.0.0.1".into(), port }
    }

    /// A name or an address, without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The same host at another port.
    pub(crate) fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The same port of another host.
    pub(crate) fn with_host(&self, ip: IpAddr) -> Self {
        Self { host: ip.to_canonical().to_string(), port: self.port }
    }

    /// Whether only this machine can reach it. A name other than `localhost` may resolve to anything and is not.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Whether it means "all addresses of this machine", which nobody can call.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_ipv6())
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Listens here, without blocking. `what` and `option` tell a person what could not listen and what to change.
    pub(crate) fn bind(&self, what: &str, option: &str) -> anyhow::Result<TcpListener> {
        let bind = || {
            let listener = TcpListener::bind((self.host.as_str(), self.port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        bind().map_err(|e: std::io::Error| match e.kind() {
            std::io::ErrorKind::AddrInUse => {
                anyhow::anyhow!(
                    "{what} cannot listen on {self}: the port is in use; choose another with {option}"
                )
            }
            _ => anyhow::anyhow!("{what} cannot listen on {self}: {e}; choose another address with {option}"),
        })
    }

    /// Where a listener bound to this address really is: as written, with the port that the system chose for port 0.
    pub(crate) fn of(&self, listener: &TcpListener) -> anyhow::Result<Self> {
        let bound = listener.local_addr().with_context(|| format!("no local address for {self}"))?;
        Ok(self.with_port(bound.port()))
    }
}

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let wanted = "host:port, such as 127.0.0.1:9000";
        let Some((host, port)) = text.rsplit_once(':') else { bail!("address {text:?}: {wanted}") };
        let (bare, bracketed) = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(inner) => (inner, true),
            None => (host, false),
        };
        let is_ip6 = bare.parse::<std::net::Ipv6Addr>().is_ok();
        let is_name =
            !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        match port.parse() {
            Ok(port) if bracketed == is_ip6 && (is_ip6 || is_name) => Ok(Self { host: bare.into(), port }),
            _ => bail!("address {text:?}: {wanted}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

/// An address, or `off` for no listener at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum AddressOrOff {
    At(Address),
    Off,
}

impl FromStr for AddressOrOff {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|e| anyhow::anyhow!("{e}, or off"))
    }
}

impl fmt::Display for AddressOrOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

impl TryFrom<String> for AddressOrOff {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<AddressOrOff> for String {
    fn from(address: AddressOrOff) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_are_shown() {
        for good in ["127.0.0.1:9000", "localhost:0", "[::1]:65535", "pocket-controller.ns.svc:9010"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in
            ["", "9000", ":9000", "::1:9000", "[localhost]:1", "host:65536", "host:", "a b:1", "http://h:1"]
        {
            let error = bad.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("host:port") && error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        let loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        for near in ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "localhost:1", "[::ffff:127.0.0.1]:1"] {
            assert!(loopback(near), "{near}");
        }
        for far in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.example:1", "controller:1"] {
            assert!(!loopback(far), "{far}");
        }
    }

    #[test]
    fn a_port_in_use_is_said_with_the_option_that_changes_it() {
        let taken = Address::loopback(0).bind("a test", "--listen").unwrap();
        let address = Address::loopback(0).of(&taken).unwrap();
        let error = address.bind("the S3 endpoint", "--listen").unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "the S3 endpoint cannot listen on {address}: the port is in use; choose another with --listen"
            )
        );
    }
}
