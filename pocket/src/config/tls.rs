//! What the settings say of TLS. Reads no file.

use super::{GatewayTable, TlsMode};
use anyhow::bail;
use std::path::PathBuf;

/// A certificate with its chain, and its private key, in PEM.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What is configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    Files(Files),
    OwnAuthority,
}

impl Choice {
    /// `None` for plain HTTP. Reads no file.
    pub(crate) fn of(gateway: &GatewayTable) -> anyhow::Result<Option<Self>> {
        match (gateway.tls, &gateway.tls_cert, &gateway.tls_key) {
            (Some(TlsMode::Off), _, _) | (None, None, None) => Ok(None),
            (Some(TlsMode::Auto), None, None) => Ok(Some(Self::OwnAuthority)),
            (Some(TlsMode::Auto), _, _) => {
                bail!("tls auto makes a certificate by itself: leave out tls-cert and tls-key, or auto")
            }
            (None, Some(certificate), Some(key)) => {
                Ok(Some(Self::Files(Files { certificate: certificate.clone(), key: key.clone() })))
            }
            (None, Some(file), None) => {
                bail!("tls-cert {} is given without tls-key: give both", file.display())
            }
            (None, None, Some(file)) => {
                bail!("tls-key {} is given without tls-cert: give both", file.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_outweighs_files_and_files_need_each_other() {
        let mut gateway = GatewayTable {
            tls_cert: Some("/nowhere/tls.crt".into()),
            tls_key: Some("/nowhere/tls.key".into()),
            ..GatewayTable::default()
        };
        assert!(matches!(Choice::of(&gateway), Ok(Some(Choice::Files(_)))));
        gateway.tls = Some(TlsMode::Off);
        assert_eq!(Choice::of(&gateway).unwrap(), None);
        gateway.tls = Some(TlsMode::Auto);
        assert!(Choice::of(&gateway).is_err());
        (gateway.tls, gateway.tls_key) = (None, None);
        assert!(Choice::of(&gateway).unwrap_err().to_string().contains("tls-key"));
    }
}
