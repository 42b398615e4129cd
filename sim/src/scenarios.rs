//! Worst days with names, in virtual time: what the cluster promises for each, to the second. Seeds find what nobody thought of; these
//! are what somebody did.

use crate::client::{Client, Details, Recorder, Signer};
use crate::history::{Asked, Bounds, BucketHints, Condition, Outcome, Piece, Refusal, Text};
use crate::port::S3Port;
use crate::world::{ACCESS_KEY_ID, Drift, EPOCH, Kind, Place, SECRET, Size, Weather, World};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
/// Far more than travels with a commit.
const LARGE_BLOCKS: u32 = 4_096;
const SIZE: Size = Size { shards: 2, servers: 3, gateways: 2 };

struct Scene {
    world: Arc<World>,
    ports: Vec<Arc<dyn S3Port>>,
    client: Client,
    machines: Vec<(Place, Kind)>,
}

/// On a runtime of its own, in which time passes when nobody has anything to do.
fn play(size: Size, weather: Weather, act: impl AsyncFnOnce(Scene)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = World::start(1, size, weather, Drift::default(), Vec::new(), None);
        let (ports, recorder) = (world.ports(), Recorder::start(EPOCH));
        let signer = Arc::new(Signer::new(ACCESS_KEY_ID, SECRET));
        // Whoever gives up takes its request along.
        let client = Client { number: 0, signer, recorder, patience: Duration::from_secs(3_600) };
        sleep(2 * SECOND).await;
        act(Scene { world, ports, client, machines: size.machines() }).await;
    });
}

impl Scene {
    async fn ask(&self, gateway: usize, bucket: &Text, asked: Asked) -> Outcome {
        self.client.ask(&self.ports[gateway], bucket, asked, Details::default()).await.0
    }

    async fn create(&self, bucket: &Text) -> Outcome {
        self.ask(0, bucket, Asked::CreateBucket(BucketHints::default())).await
    }

    async fn put(&self, gateway: usize, bucket: &Text, number: u32) -> Outcome {
        let piece = Piece { writer: 0, number, blocks: LARGE_BLOCKS };
        let (bounds, condition) = (Bounds::default(), Condition::None);
        self.ask(gateway, bucket, Asked::Put { key: key(number), piece, bounds, condition }).await
    }

    async fn get(&self, gateway: usize, bucket: &Text, number: u32) -> Outcome {
        self.ask(gateway, bucket, Asked::Get { key: key(number), range: None }).await
    }

    async fn end(&self, bucket: &Text) -> Outcome {
        self.ask(0, bucket, Asked::DeleteBucket { force: true }).await
    }

    fn of(&self, kind: Kind) -> Place {
        self.machines.iter().find(|(_, of)| *of == kind).unwrap().0
    }

    fn all_but(&self, kind: Kind) -> impl Iterator<Item = Place> {
        self.machines.iter().filter(move |(_, of)| *of != kind).map(|(place, _)| *place)
    }

    /// A bucket with so many objects.
    async fn filled(&self, objects: u32) -> Text {
        let bucket: Text = "data".into();
        assert!(is_done(&self.create(&bucket).await));
        for number in 0..objects {
            assert!(is_done(&self.put(0, &bucket, number).await));
        }
        bucket
    }

    /// How long it takes until every object is read through both gateways.
    async fn back_after(&self, bucket: &Text, objects: u32) -> Duration {
        let begun = Instant::now();
        for gateway in [0, 1] {
            for number in 0..objects {
                while !is_done(&self.get(gateway, bucket, number).await) {
                    assert!(begun.elapsed() < Duration::from_secs(30), "object {number} is not back");
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
        begun.elapsed()
    }
}

fn key(number: u32) -> Text {
    format!("k{number}").into()
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

#[test]
fn a_storage_server_ends_and_within_a_second_its_objects_are_lost_and_others_are_written() {
    play(SIZE, Weather::default(), async |scene| {
        let bucket = scene.filled(30).await;
        scene.world.kill(scene.of(Kind::Server));
        let killed = Instant::now();
        let mut known = vec![false; 30];
        let mut lost = 0;
        while known.contains(&false) {
            for number in (0..30).filter(|number| !known[*number as usize]).collect::<Vec<_>>() {
                let seen = join_all([0, 1].map(|gateway| scene.get(gateway, &bucket, number))).await;
                let is_lost = |o: &Outcome| matches!(o, Outcome::Refused(Refusal::Lost));
                known[number as usize] = seen.iter().all(is_lost) || seen.iter().all(is_done);
                lost += u32::from(seen.iter().all(is_lost));
            }
            assert!(killed.elapsed() <= SECOND, "{known:?} after {:?}", killed.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        assert!(lost > 0 && lost < 30, "{lost} of 30 are lost");
        for number in 100..110 {
            assert!(is_done(&scene.put(0, &bucket, number).await), "writes go elsewhere");
        }
        assert!(killed.elapsed() <= SECOND + SECOND / 2, "{:?}", killed.elapsed());
    });
}

#[test]
fn all_but_the_controller_stand_still_for_ten_seconds_and_all_is_back_within_one() {
    play(SIZE, Weather::default(), async |scene| {
        let bucket = scene.filled(10).await;
        let others: Vec<Place> = scene.all_but(Kind::Controller).collect();
        others.iter().for_each(|place| scene.world.stop(*place));
        sleep(10 * SECOND).await;
        others.iter().for_each(|place| scene.world.go_on(*place));
        let took = scene.back_after(&bucket, 10).await;
        assert!(took <= SECOND && scene.world.expelled().is_empty(), "{took:?}");
    });
}

#[test]
fn the_controllers_host_is_cut_off_for_a_minute_data_goes_on_and_buckets_are_made_a_second_later() {
    play(SIZE, Weather::default(), async |scene| {
        let bucket = scene.filled(10).await;
        // Both gateways know where it is.
        scene.back_after(&bucket, 10).await;
        let controller = scene.of(Kind::Controller);
        let others: Vec<Place> = scene.all_but(Kind::Controller).collect();
        for place in &others {
            scene.world.cut(controller, *place);
            scene.world.cut(*place, controller);
        }
        for number in 100..160 {
            let wrote = scene.put(number as usize % 2, &bucket, number).await;
            assert!(is_done(&wrote), "{wrote:?} after {} s", number - 100);
            assert!(is_done(&scene.get(0, &bucket, number % 10).await));
            sleep(SECOND).await;
        }
        for place in &others {
            scene.world.mend(controller, *place);
            scene.world.mend(*place, controller);
        }
        let mended = Instant::now();
        while !is_done(&scene.create(&"another".into()).await) {
            assert!(mended.elapsed() <= SECOND, "no bucket is made {:?} after", mended.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
        assert!(mended.elapsed() <= SECOND && scene.world.expelled().is_empty(), "{:?}", mended.elapsed());
        assert!(scene.back_after(&bucket, 10).await <= SECOND);
    });
}

#[test]
fn the_controller_is_killed_two_hundred_times_and_no_bucket_is_lost_made_twice_or_stuck() {
    const KILLS: u32 = 200;
    play(SIZE, Weather::default(), async |scene| {
        let kept = scene.filled(3).await;
        let killing = async {
            for n in 0..KILLS {
                // At moments that nothing else goes by.
                sleep(Duration::from_millis(u64::from(n * 37 % 211))).await;
                scene.world.kill(scene.of(Kind::Controller));
                sleep(Duration::from_millis(u64::from(n * 53 % 97))).await;
                scene.world.restart(scene.of(Kind::Controller));
                sleep(Duration::from_millis(200)).await;
            }
        };
        // Each bucket is made, and every other is ended, until somebody says that it is so.
        let working = async {
            let mut there = Vec::new();
            for n in 0..60_u32 {
                let bucket: Text = format!("bucket-{n}").into();
                let mut tries = 0;
                // What was made without an answer is found there.
                loop {
                    let (made, wrote) = (scene.create(&bucket).await, scene.put(0, &bucket, 0).await);
                    if is_done(&made) || is_done(&wrote) {
                        break;
                    }
                    tries += 1;
                    assert!(tries < 500, "{bucket} cannot be made: {made:?}, {wrote:?}");
                    sleep(Duration::from_millis(50)).await;
                }
                while !is_done(&scene.put(1, &bucket, 0).await) {
                    sleep(Duration::from_millis(50)).await;
                }
                if n % 2 == 0 {
                    there.push(bucket);
                    continue;
                }
                tries = 0;
                loop {
                    match scene.end(&bucket).await {
                        Outcome::Done(_) | Outcome::Refused(Refusal::NoSuchBucket) => break,
                        _ => tries += 1,
                    }
                    assert!(tries < 500, "{bucket} cannot be ended");
                    sleep(Duration::from_millis(50)).await;
                }
            }
            there
        };
        let ((), there) = tokio::join!(killing, working);
        sleep(5 * SECOND).await;
        for number in 0..3 {
            assert!(is_done(&scene.get(1, &kept, number).await), "an object of before");
        }
        for bucket in &there {
            assert!(is_done(&scene.get(0, bucket, 0).await), "{bucket} and what is in it");
        }
        for n in (1..60).step_by(2) {
            let bucket: Text = format!("bucket-{n}").into();
            let seen = scene.get(0, &bucket, 0).await;
            assert_eq!(seen, Outcome::Refused(Refusal::NoSuchBucket), "{bucket}");
            assert!(is_done(&scene.create(&bucket).await), "the name of {bucket} is free");
            assert!(is_done(&scene.end(&bucket).await));
        }
        for bucket in there.iter().chain([&kept]) {
            assert!(is_done(&scene.end(bucket).await), "{bucket} ends");
        }
        sleep(60 * SECOND).await;
        assert_eq!((scene.world.held_bytes(), scene.world.expelled()), (Vec::new(), Vec::new()));
    });
}

/// Whatever it was about to do: what it had written was given up meanwhile.
#[test]
fn a_gateway_stands_still_for_eleven_minutes_in_a_write_and_commits_nothing_that_was_freed() {
    // Slow enough that each of a write's messages is a moment of its own.
    let slow = Weather { delay_max: Duration::from_millis(200), ..Weather::default() };
    let size = Size { shards: 1, servers: 1, gateways: 2 };
    let mut committed_late = 0;
    for stopped_after_ms in (380..640).step_by(40) {
        let committed_late = &mut committed_late;
        play(size, slow, async move |scene| {
            let bucket = scene.filled(1).await;
            let last = scene.machines.last().unwrap().0;
            let writing = scene.put(1, &bucket, 7);
            let stopping = async {
                sleep(Duration::from_millis(stopped_after_ms)).await;
                scene.world.stop(last);
                sleep(Duration::from_secs(11 * 60)).await;
                let was_there = is_done(&scene.get(0, &bucket, 7).await);
                scene.world.go_on(last);
                was_there
            };
            let (wrote, was_there) = tokio::join!(writing, stopping);
            sleep(Duration::from_secs(120)).await;
            let seen = scene.get(0, &bucket, 7).await;
            *committed_late += u32::from(is_done(&seen) && !was_there);
            let is_absent = matches!(seen, Outcome::Refused(Refusal::NoSuchKey));
            let is_right = if is_done(&wrote) { is_done(&seen) } else { is_absent || is_done(&seen) };
            assert!(is_right, "stopped after {stopped_after_ms} ms: {wrote:?}, {seen:?}");
            assert_eq!(scene.world.unlike_the_ledger(), Vec::<String>::new(), "after {stopped_after_ms} ms");
        });
    }
    assert_eq!(committed_late, 0, "what was given up after thirty seconds");
}
