//! What `pocket serve`, `pocket gateway` and `pocket dev-cluster` have in common: an S3 endpoint and who may use it.

use crate::config::Config;
use crate::config::address::Address;
use crate::config::credentials::{ACCESS_KEY_VARIABLE, AccessKey, SECRET_KEY_VARIABLE, Source};
use crate::interfaces::addresses;
use crate::tls::Certificates;
use anyhow::{bail, ensure};
use pocket_api::names::TenantName;
use pocket_edge::config::EdgeConfig;
use pocket_edge::credentials::Credentials;
use pocket_gateway::config::GatewayConfig;
use std::net::SocketAddr;

/// Of a machine that has more (containers bring one each), the first are enough.
const ADDRESSES_MAX: usize = 8;

/// Refuses to show strangers an endpoint whose credentials nobody chose.
pub(crate) fn check_reach(
    listen: &Address,
    keys: &[AccessKey],
    generated_allowed: bool,
) -> anyhow::Result<()> {
    let generated = keys.iter().any(|key| key.source == Source::Generated);
    if generated && !listen.is_loopback() && !generated_allowed {
        bail!(
            "refusing to serve S3 on {listen} with generated credentials: set {ACCESS_KEY_VARIABLE} and \
             {SECRET_KEY_VARIABLE}, or add --allow-generated-credentials"
        );
    }
    Ok(())
}

/// The access keys as the gateway holds them.
pub(crate) fn credentials(keys: &[AccessKey]) -> anyhow::Result<Credentials> {
    let mut credentials = Credentials::default();
    for key in keys {
        let tenant = TenantName::parse(&key.tenant)?;
        ensure!(
            credentials.add(&key.id, key.secret.reveal(), tenant),
            "access key id {:?} cannot be used",
            key.id
        );
    }
    Ok(credentials)
}

/// `unless_set`: on how many threads connections are served where the configuration does not say.
pub(crate) fn gateway_config(
    config: &Config,
    unless_set: usize,
    certificates: Option<&Certificates>,
) -> anyhow::Result<GatewayConfig> {
    let edge = EdgeConfig {
        region: config.region.clone(),
        domain: config.domain.clone(),
        tls: certificates.map(Certificates::tls),
        threads: config.gateway.threads.unwrap_or(unless_set),
        ..EdgeConfig::default()
    };
    Ok(GatewayConfig { edge, profiles: config.profiles()? })
}

/// A URL that clients on this machine can use. `scheme`: `http` or `https`.
pub(crate) fn url(scheme: &str, address: &Address) -> String {
    let callable = if address.is_wildcard() { Address::loopback(address.port()) } else { address.clone() };
    format!("{scheme}://{callable}")
}

/// URLs that clients on other machines may be able to use, where an address is a wildcard: those of this machine's
/// interfaces, few as they are.
pub(crate) fn urls_from_afar(scheme: &str, address: &Address) -> Vec<String> {
    if !address.is_wildcard() {
        return Vec::new();
    }
    let reached = addresses().filter(|ip| ip.is_ipv4() || address.is_ipv6());
    reached
        .take(ADDRESSES_MAX)
        .map(|ip| format!("{scheme}://{}", SocketAddr::new(ip, address.port())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn only_a_wildcard_is_elsewhere_too_and_never_at_loopback() {
        for near in ["127.0.0.1:9000", "10.1.2.3:9000", "pocket.example:9000"] {
            assert!(urls_from_afar("http", &near.parse().unwrap()).is_empty(), "{near}");
        }
        let all = urls_from_afar("https", &"0.0.0.0:9000".parse().unwrap());
        let is_one =
            |url: &String| url.ends_with(":9000") && !url.contains("127.0.0.1") && !url.contains('[');
        assert!(all.iter().all(|url| url.starts_with("https://")), "{all:?}");
        assert!(all.len() <= ADDRESSES_MAX && all.iter().all(is_one), "{all:?}");
    }

    #[test]
    fn generated_credentials_stay_on_loopback_unless_asked() {
        let key = |source| AccessKey {
            tenant: "default".into(),
            id: "AKIA".into(),
            secret: Secret::new("12345678".into()),
            source,
        };
        let all: Address = "0.0.0.0:9000".parse().unwrap();
        let near = Address::loopback(9000);
        let generated = [key(Source::Generated)];
        assert!(check_reach(&near, &generated, false).is_ok());
        assert!(check_reach(&all, &generated, true).is_ok());
        assert!(check_reach(&all, &[key(Source::Environment)], false).is_ok());
        let refusal = check_reach(&all, &generated, false).unwrap_err().to_string();
        assert!(refusal.contains("0.0.0.0:9000") && refusal.contains(ACCESS_KEY_VARIABLE), "{refusal}");
    }
}
