//! The promises of [`crate::metadata::Metadata`].
//!
//! The suite plays every other plane itself, see [`world`]: a shard is made in a world whose clock only the suite moves.
//! What a shard does by itself is awaited and not slept for.

mod acls;
mod appends;
mod client;
mod copies;
mod counted;
mod life;
mod lists;
mod objects;
mod reading;
mod renames;
mod rules;
mod tags;
mod uploads;
pub mod world;

use crate::metadata::Metadata;
use client::Client;
use std::sync::Arc;
use world::World;

/// Runs every case on a shard of its own. `make` starts one in the given world; what it answers may be the shard, or the
/// shard as seen over the wire. Panics with the promise that does not hold.
pub async fn suite<F, Made>(make: F)
where
    F: Fn(World) -> Made,
    Made: Future<Output = Arc<dyn Metadata>>,
{
    let fresh = async || {
        let world = World::new();
        let shard = make(world.clone()).await;
        Client::open(world, shard).await
    };
    objects::what_is_committed_is_found_whole(fresh().await).await;
    objects::a_commit_replaces_and_frees(fresh().await).await;
    objects::conditions_are_judged_in_one_step(fresh().await).await;
    objects::of_racing_creators_one_wins(fresh().await).await;
    objects::content_that_does_not_add_up_is_refused(fresh().await).await;
    objects::deletes_are_idempotent_and_free(fresh().await).await;
    objects::defaults_come_from_the_job(fresh().await).await;
    objects::memory_is_bounded_and_comes_back(fresh().await).await;
    appends::an_append_adds_behind_what_is_there(fresh().await).await;
    appends::only_what_was_seen_is_appended_to(fresh().await).await;
    appends::of_racing_appends_one_wins(fresh().await).await;
    appends::small_appends_join_and_cost_what_they_hold(fresh().await).await;
    appends::an_append_keeps_headers_life_and_reads(fresh().await).await;
    appends::an_object_of_many_pieces_is_not_appended_to(fresh().await).await;
    renames::a_rename_keeps_the_object_and_drops_what_it_replaces(fresh().await).await;
    renames::a_rename_that_is_refused_changes_nothing(fresh().await).await;
    renames::a_token_is_answered_once_for_all(fresh().await).await;
    renames::an_object_leaves_for_another_shard_whole(fresh().await).await;
    renames::an_object_that_does_not_arrive_is_where_it_was(fresh().await).await;
    renames::an_object_whose_new_shard_dies_is_where_it_was(fresh().await).await;
    reading::ranges_and_parts_are_selected(fresh().await).await;
    reading::read_conditions_are_judged(fresh().await).await;
    reading::long_objects_come_in_pages(fresh().await).await;
    reading::a_lease_keeps_the_bytes(fresh().await).await;
    reading::a_lease_ends_without_renewal(fresh().await).await;
    reading::a_lease_outlives_the_end_of_its_object(fresh().await).await;
    reading::objects_expire_to_the_millisecond(fresh().await).await;
    reading::a_wait_ends_with_the_key_or_the_time(fresh().await).await;
    reading::a_wait_ends_with_the_epoch_and_the_job(fresh().await).await;
    reading::bytes_of_a_dead_server_are_lost(fresh().await).await;
    counted::exactly_so_many_reads_succeed(fresh().await).await;
    counted::a_failed_read_is_given_back(fresh().await).await;
    counted::ranges_use_a_read_up_together(fresh().await).await;
    counted::a_read_that_deletes_is_alone(fresh().await).await;
    counted::a_given_back_read_wakes_who_waits(fresh().await).await;
    tags::tags_are_replaced_and_the_object_stays_the_same(fresh().await).await;
    tags::tags_carry_new_bounds(fresh().await).await;
    tags::tags_need_an_object_and_a_job_that_may_be_written(fresh().await).await;
    acls::an_acl_is_replaced_and_the_object_stays_the_same(fresh().await).await;
    acls::an_acl_is_only_changed_where_the_caller_knows_it(fresh().await).await;
    acls::who_is_not_admitted_yet_keeps_no_job_alive(fresh().await).await;
    lists::lists_are_ordered_and_grouped(fresh().await).await;
    lists::pages_join_without_gap(fresh().await).await;
    lists::what_is_gone_is_not_listed(fresh().await).await;
    uploads::parts_become_an_object(fresh().await).await;
    uploads::wrong_parts_are_refused(fresh().await).await;
    uploads::complete_and_abort_can_be_repeated(fresh().await).await;
    uploads::uploads_are_listed_by_any_prefix(fresh().await).await;
    uploads::parts_are_listed_in_pages(fresh().await).await;
    uploads::parts_have_the_checksum_that_their_upload_announced(fresh().await).await;
    uploads::parts_and_their_checksums_stay_with_the_object(fresh().await).await;
    copies::a_copy_shares_the_bytes(fresh().await).await;
    copies::a_copy_that_was_given_up_holds_nothing(fresh().await).await;
    copies::an_unconfirmed_reference_is_asked_about(fresh().await).await;
    copies::holders_are_told_what_died_with_a_server(fresh().await).await;
    copies::what_its_home_says_is_lost_is_lost(fresh().await).await;
    copies::a_copy_from_elsewhere_releases_its_reference_once(fresh().await).await;
    copies::forks_keep_a_manifest(fresh().await).await;
    rules::rules_end_what_is_there_and_what_comes(fresh().await).await;
    rules::rules_that_are_gone_stop_but_what_ended_stays_so(fresh().await).await;
    rules::rules_and_ttls_end_what_they_name_whichever_is_first(fresh().await).await;
    rules::rules_abort_uploads(fresh().await).await;
    life::strangers_and_old_epochs_are_refused(fresh().await).await;
    life::a_frozen_job_takes_no_writes(fresh().await).await;
    life::a_fence_holds_until_it_is_undone_and_only_behind_its_own_freeze(fresh().await).await;
    life::orders_of_an_older_controller_are_refused(fresh().await).await;
    life::a_job_in_use_is_not_idle(fresh().await).await;
    life::an_ended_job_is_gone_for_good(fresh().await).await;
    life::an_update_changes_the_defaults_and_the_end_and_an_older_one_nothing(fresh().await).await;
    life::a_ttl_ends_the_job_on_time(fresh().await).await;
    life::an_unknown_write_is_burned(fresh().await).await;
    life::a_change_that_comes_too_late_is_refused_and_looking_is_not(fresh().await).await;
}
