//! What can be set about a gateway. Credentials are apart, see [`pocket_edge::credentials`].

use crate::profiles::Profiles;
use pocket_edge::config::EdgeConfig;

/// Settings of one gateway.
#[derive(Clone, Debug, Default)]
pub struct GatewayConfig {
    pub edge: EdgeConfig,
    pub profiles: Profiles,
}
