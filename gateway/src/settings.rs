//! A change of a bucket's settings: read, decided and written as one step, whoever else changes others of them through
//! this gateway or another. What they are is `api/src/settings.rs`; what may become of them is the operation's business.

use crate::errors::{from_call, from_control};
use crate::placements::{Bucket, Placements};
use pocket_access::refusal::Refusal;
use pocket_api::control::{Configuration, Control, ControlError, Placement};
use pocket_api::settings::JobSettings;

/// How often a change is decided anew because another one came first. Of those that race one wins each time, so so many
/// writers of one bucket at a time all succeed; S3 tells the rest to come again.
const TRIES_MAX: usize = 5;

/// Replaces the settings of the bucket's job by what `decide` makes of what holds, and answers when every gateway and shard
/// goes by the new ones; `bucket` is what it is then. The request is admitted to what holds each time that it is decided.
/// Where `decide` refuses, nothing changes. Where nobody can say what came of it, 503, and either may hold.
pub(crate) async fn change(
    control: &dyn Control,
    placements: &Placements,
    bucket: &mut Bucket<'_>,
    decide: impl Fn(&Placement) -> Result<JobSettings, Refusal>,
) -> Result<(), Refusal> {
    for tries in 1.. {
        // Not the remembered ones: a change to what seems to hold already would be none.
        placements.renew(bucket).await.map_err(from_call)?;
        let old = &bucket.placement;
        let settings = decide(old)?;
        if settings == *old.settings {
            return Ok(());
        }
        let name = old.bucket.clone();
        let configuration = Configuration { bucket: name.clone(), job: old.job, epoch: old.epoch, settings };
        match control.configure(configuration).await {
            Ok(placement) => return placements.learn(bucket, placement).map_err(from_control),
            Err(ControlError::Stale) if tries < TRIES_MAX => {}
            Err(refused) => {
                placements.forget(&name);
                return Err(from_control(refused));
            }
        }
    }
    unreachable!("the loop above ends by return")
}
