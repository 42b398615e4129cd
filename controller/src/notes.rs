//! What a person may want to know, as lines of the log and as counters.

use crate::metrics::Metrics;
use crate::state::event::{DeathCause, Note};
use crate::state::members::Hold;
use pocket_api::cluster::NodeSpec;
use pocket_api::control::ControlError;

pub(crate) fn take(metrics: &Metrics, note: Note) {
    match note {
        Note::StoodStill(after) => tracing::warn!(?after, "stood still"),
        Note::Suspected(node, spec) => {
            tracing::warn!(%node, "suspect, because silent: {}", described(&spec));
        }
        Note::Hold(Hold::Began { silent, hosts }) => tracing::error!(
            silent,
            hosts,
            "held: more than half of the other hosts are silent, so this one may be cut off; nobody is declared dead for \
             silence"
        ),
        Note::Hold(Hold::Ended { after }) => {
            tracing::warn!(?after, "no longer held: enough hosts are heard again");
        }
        Note::Joined(node, spec) => tracing::info!(%node, "joined: {}", described(&spec)),
        Note::Dead(node, spec, cause) => {
            metrics.dead(cause).increment(1);
            let described = described(&spec);
            match cause {
                DeathCause::Left => tracing::info!(%node, "left: {described}"),
                _ => tracing::warn!(%node, cause = cause.as_str(), "declared dead: {described}"),
            }
        }
        Note::Registered { job, bucket } => {
            metrics.registered.increment(1);
            tracing::info!(%job, %bucket, "registered");
        }
        Note::NotRegistered { bucket, why } => {
            metrics.refused.increment(1);
            tracing::info!(%bucket, error = %why, "not registered");
        }
        Note::Configured { job, bucket } => tracing::info!(%job, %bucket, "configured"),
        Note::Renewed { job, bucket, epoch } => {
            tracing::info!(%job, %bucket, epoch = epoch.0, "not configured: the old settings hold, as a new epoch");
        }
        Note::Ended { job, bucket, cause } => {
            metrics.ended(cause).increment(1);
            tracing::info!(%job, %bucket, ?cause, "ended");
        }
        // What any client may ask for in vain as often as it likes.
        Note::Spared { job, bucket, why: ControlError::NotEmpty } => {
            tracing::debug!(%job, %bucket, "not ended: it is not empty");
        }
        Note::Spared { job, bucket, why } => tracing::info!(%job, %bucket, error = %why, "not ended"),
        Note::Reweighed { jobs, servers } => {
            metrics.reweighed.increment(1);
            tracing::info!(jobs, servers, "a weight map has changed");
        }
        Note::Strangers => tracing::error!(
            "nodes are here of a controller whose state file is not: their jobs are not known, and are not ended. Give this \
             controller that file, or start those processes again, which ends what they hold"
        ),
        Note::Deposed { own, newer } => tracing::error!(
            %own, %newer,
            "another controller has taken over: this one decides nothing any more, and should be ended"
        ),
    }
}

/// A node as the log names it. In one process there are no addresses.
fn described(spec: &NodeSpec) -> String {
    let NodeSpec { role, address, host, .. } = spec;
    if address.is_empty() {
        format!("{role} on {host:?}")
    } else {
        format!("{role} at {address:?} on {host:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::cluster::Role;

    #[test]
    fn a_node_without_address_is_named_without_one() {
        let spec = |address: &str| NodeSpec {
            role: Role::Metadata,
            address: address.into(),
            host: "vm".into(),
            capacity_bytes: 0,
        };
        assert_eq!(described(&spec("")), "metadata on \"vm\"");
        assert_eq!(described(&spec("127.0.0.1:9020")), "metadata at \"127.0.0.1:9020\" on \"vm\"");
    }
}
