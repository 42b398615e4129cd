use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const MIB: u64 = 1 << 20;
const CHUNK: u32 = 1 << 20;
const JOB: JobId = JobId(1);

fn space(capacity_bytes: u64) -> Space {
    Space::new(capacity_bytes, ByteBudget::new(u64::MAX))
}

/// Bytes used, reserved and taken from the budget, and jobs.
fn totals(space: &Space) -> (u64, u64, u64, usize) {
    (space.slots_bytes, space.reserved_bytes(), space.budget.used_bytes(), space.jobs().len())
}

fn fill(space: &mut Space, number: u64, len: u32) {
    let claim = space.claim(number, 0, len).unwrap();
    space.done(claim);
}

fn end(space: &mut Space, job: JobId) {
    space.end(job);
    while space.give_back_ended() {}
}

#[test]
fn full_chunks_use_all_of_an_arena() {
    let mut space = space(512 * MIB);
    for i in 0..512 {
        assert!(space.allocate(JOB, &[CHUNK]).is_ok(), "chunk {i}");
    }
    assert!(matches!(space.allocate(JOB, &[1]), Err(ChunkError::Full(_))));
    assert_eq!(totals(&space), (512 * MIB, 512 * MIB, 512 * MIB, 1));
}

#[test]
fn full_chunks_use_all_of_what_the_budget_leaves() {
    let budget = ByteBudget::new(101 * MIB + 5);
    assert!(budget.take(1));
    let mut space = Space::new(512 * MIB, budget);
    while space.allocate(JOB, &[CHUNK]).is_ok() {}
    assert_eq!(space.slots_bytes, 101 * MIB);
}

#[test]
fn small_jobs_reserve_little() {
    let mut space = space(64 * MIB);
    for job in 0..32 {
        space.allocate(JobId(job), &[CHUNK]).unwrap();
        space.allocate(JobId(job), &[20_000]).unwrap();
    }
    assert_eq!(space.reserved_bytes(), 32 * (MIB + BLOCK_MIN_BYTES));
}

#[test]
fn an_allocation_that_does_not_fit_leaves_nothing() {
    let mut space = space(8 * MIB);
    let kept = space.allocate(JOB, &[100_000, CHUNK]).unwrap();
    let before = totals(&space);
    assert!(matches!(space.allocate(JOB, &[CHUNK; 7]), Err(ChunkError::Full(_))), "by its sum");
    // The slots would fit by their sum; a block has room for one or two of them.
    assert!(matches!(space.allocate(JobId(2), &[800_000; 8]), Err(ChunkError::Full(_))), "by its spans");
    assert_eq!(totals(&space), before);
    assert!(kept.iter().all(|&number| space.holds(number)));
}

#[test]
fn an_ended_job_is_refused_and_its_chunks_are_gone() {
    let mut space = space(8 * MIB);
    let numbers = space.allocate(JOB, &[CHUNK, 300]).unwrap();
    let other = space.allocate(JobId(2), &[300]).unwrap()[0];
    let before = (space.slots_bytes, space.reserved_bytes());
    end(&mut space, JOB);
    end(&mut space, JOB);
    assert_eq!(before.0 - space.slots_bytes, MIB + 320);
    assert_eq!(before.1 - space.reserved_bytes(), MIB + BLOCK_MIN_BYTES);
    for number in numbers {
        assert_eq!(space.claim(number, 0, 1), Err(ChunkError::NoSuchChunk));
        assert_eq!(space.pin(number, 0, 1), Err(ChunkError::NoSuchChunk));
        space.free(number);
    }
    assert_eq!(space.allocate(JOB, &[1]), Err(ChunkError::NoSuchChunk));
    assert!(space.holds(other));
}

#[test]
fn a_job_that_has_ended_gets_nothing_while_its_many_spans_come_back_in_steps() {
    let mut space = space(4_096 * MIB);
    let numbers: Vec<u64> = (0..4_096).map(|_| space.allocate(JOB, &[CHUNK]).unwrap()[0]).collect();
    let spans = space.spans.len();
    assert!(spans > 3 * GIVEN_BACK_AT_ONCE);
    space.end(JOB);
    assert_eq!((space.allocate(JOB, &[1]), space.jobs().len()), (Err(ChunkError::NoSuchChunk), 0));
    space.free(numbers[0]);
    let mut steps = 1;
    while space.give_back_ended() {
        assert!(spans - space.spans.len() <= steps * GIVEN_BACK_AT_ONCE + 1);
        steps += 1;
    }
    assert!(steps > 3 && numbers.iter().all(|&number| !space.holds(number)));
    assert_eq!(totals(&space), (0, 0, 0, 0));
}

#[test]
fn a_pinned_slot_of_an_ended_job_counts_until_it_is_let_go() {
    let mut space = space(8 * MIB);
    let numbers = space.allocate(JOB, &[CHUNK; 4]).unwrap();
    fill(&mut space, numbers[3], CHUNK);
    let pin = space.pin(numbers[3], 0, CHUNK).unwrap();
    let claim = space.claim(numbers[0], 5, 5).unwrap();
    end(&mut space, JOB);
    assert_eq!((space.slots_bytes, space.jobs().len(), space.chunks()), (2 * MIB, 0, 2));
    assert_eq!(space.pin(numbers[3], 0, 1), Err(ChunkError::NoSuchChunk));
    assert_eq!((space.done(claim), space.slots_bytes), (Left::Vacant, MIB));
    assert_eq!((space.unpin(pin), totals(&space)), (Left::Vacant, (0, 0, 0, 0)));
}

#[test]
fn memory_of_a_pinned_slot_is_given_to_nobody() {
    let mut space = space(MIB);
    let number = space.allocate(JOB, &[CHUNK]).unwrap()[0];
    fill(&mut space, number, CHUNK);
    let pin = space.pin(number, 0, CHUNK).unwrap();
    space.free(number);
    assert!(matches!(space.allocate(JOB, &[1]), Err(ChunkError::Full(_))));
    space.unpin(pin);
    assert!(space.allocate(JOB, &[CHUNK]).is_ok());
}

#[test]
fn numbers_of_chunks_are_never_reused() {
    let mut space = space(MIB);
    let mut seen = HashSet::new();
    for _ in 0..2_000 {
        let number = space.allocate(JOB, &[CHUNK]).unwrap()[0];
        assert!(seen.insert(number));
        space.free(number);
        assert!(!space.holds(number));
    }
}

// ---- random operations against a model ----

#[derive(Clone, Debug)]
enum Step {
    Allocate { job: u64, sizes: Vec<u32> },
    Fill(prop::sample::Index),
    Pin(prop::sample::Index),
    Unpin(prop::sample::Index),
    Free(prop::sample::Index),
    End { job: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![1_u32..2_000, 16_000_u32..70_000, 70_000..=CHUNK, Just(CHUNK)];
    let step = prop_oneof![
        6 => (0_u64..6, prop::collection::vec(size, 1..5)).prop_map(|(job, sizes)| Step::Allocate { job, sizes }),
        4 => any::<prop::sample::Index>().prop_map(Step::Fill),
        3 => any::<prop::sample::Index>().prop_map(Step::Pin),
        3 => any::<prop::sample::Index>().prop_map(Step::Unpin),
        5 => any::<prop::sample::Index>().prop_map(Step::Free),
        1 => (0_u64..6).prop_map(|job| Step::End { job }),
    ];
    prop::collection::vec(step, 1..250)
}

/// A chunk as the model knows it. One that was freed stays in the model while it is pinned.
struct Known {
    number: u64,
    job: JobId,
    len: u32,
    full: bool,
    live: bool,
    pins: Vec<Pin>,
}

#[derive(Default)]
struct Model {
    chunks: Vec<Known>,
    /// Ended jobs come back under a new id.
    lives: [u64; 6],
}

impl Model {
    fn job(&self, job: u64) -> JobId {
        JobId(job + 6 * self.lives[job as usize])
    }

    fn live(&mut self, pick: prop::sample::Index) -> Option<&mut Known> {
        let mut live: Vec<&mut Known> = self.chunks.iter_mut().filter(|c| c.live).collect();
        (!live.is_empty()).then(|| live.swap_remove(pick.index(live.len())))
    }

    fn forget_dead(&mut self) {
        self.chunks.retain(|c| c.live || !c.pins.is_empty());
    }

    fn used_bytes(&self) -> u64 {
        self.chunks.iter().map(|c| u64::from(SizeClass::holding(c.len).slot_bytes())).sum()
    }
}

fn take_step(space: &mut Space, model: &mut Model, step: Step) {
    match step {
        Step::Allocate { job, sizes } => {
            let (job, before) = (model.job(job), totals(space));
            match space.allocate(job, &sizes) {
                Ok(numbers) => {
                    let new = numbers.into_iter().zip(sizes);
                    model.chunks.extend(new.map(|(number, len)| Known {
                        number,
                        job,
                        len,
                        full: false,
                        live: true,
                        pins: Vec::new(),
                    }));
                }
                Err(error) => {
                    assert!(matches!(error, ChunkError::Full(_)), "{error:?}");
                    assert_eq!(totals(space), before);
                }
            }
        }
        Step::Fill(pick) => {
            if let Some(chunk) = model.live(pick).filter(|c| !c.full) {
                assert!(matches!(space.pin(chunk.number, 0, 1), Err(ChunkError::BadRequest(_))));
                fill(space, chunk.number, chunk.len);
                chunk.full = true;
            }
        }
        Step::Pin(pick) => {
            if let Some(chunk) = model.live(pick).filter(|c| c.full) {
                assert!(space.claim(chunk.number, 0, 1).is_err());
                chunk.pins.push(space.pin(chunk.number, 0, chunk.len).unwrap());
            }
        }
        Step::Unpin(pick) => {
            let mut pinned: Vec<&mut Known> =
                model.chunks.iter_mut().filter(|c| !c.pins.is_empty()).collect();
            if !pinned.is_empty() {
                let at = pick.index(pinned.len());
                space.unpin(pinned[at].pins.pop().unwrap());
            }
        }
        Step::Free(pick) => {
            if let Some(chunk) = model.live(pick) {
                space.free(chunk.number);
                chunk.live = false;
            }
        }
        Step::End { job } => {
            let ended = model.job(job);
            end(space, ended);
            model.chunks.iter_mut().filter(|c| c.job == ended).for_each(|c| c.live = false);
            model.lives[job as usize] += 1;
        }
    }
    model.forget_dead();
}

/// Ranges that belong to somebody, in the order of their addresses.
fn ranges(space: &mut Space, model: &Model) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = model
        .chunks
        .iter()
        .map(|c| {
            let (serial, stamp) = split(c.number);
            let span = &space.spans[&serial];
            // A slot's place follows from its number alone, also for chunks that are being filled.
            let slots = span.block().len_bytes() / u64::from(span.class().slot_bytes());
            let from = span.address_bytes((stamp % slots) as u32, 0);
            (from, from + u64::from(c.len))
        })
        .collect();
    ranges.sort_unstable();
    ranges
}

proptest! {
    #[test]
    fn live_slots_never_overlap_and_accounting_is_exact(steps in steps(), budget_mib in 6_u64..40) {
        let capacity = 24 * MIB + 5 * BLOCK_MIN_BYTES;
        let mut space = Space::new(capacity, ByteBudget::new(budget_mib * MIB));
        let mut model = Model::default();
        for step in steps {
            take_step(&mut space, &mut model, step);
            prop_assert_eq!(space.slots_bytes, model.used_bytes());
            prop_assert_eq!(space.chunks(), model.chunks.len());
            prop_assert!(model.chunks.iter().all(|c| space.holds(c.number) == c.live));
            prop_assert_eq!(space.reserved_bytes(), space.budget.used_bytes());
            prop_assert!(space.slots_bytes <= space.reserved_bytes() && space.reserved_bytes() <= capacity);
            let ranges = ranges(&mut space, &model);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
            prop_assert!(ranges.last().is_none_or(|last| last.1 <= space.high_water_bytes()));
            let holding: HashSet<JobId> = model.chunks.iter().filter(|c| c.live).map(|c| c.job).collect();
            let known: HashSet<JobId> = space.jobs().into_iter().collect();
            prop_assert!(holding.is_subset(&known));
        }
        // All goes, by chunks and by jobs; then the arena is as it was.
        let by_chunk = model.chunks.iter().enumerate().filter(|(i, _)| i % 2 == 0);
        by_chunk.for_each(|(_, c)| space.free(c.number));
        (0..6).for_each(|job| end(&mut space, model.job(job)));
        for pin in model.chunks.into_iter().flat_map(|c| c.pins) {
            space.unpin(pin);
        }
        prop_assert_eq!(totals(&space), (0, 0, 0, 0));
        prop_assert_eq!(space.chunks(), 0);
        let whole = capacity.min(budget_mib * MIB) / MIB;
        for _ in 0..whole {
            prop_assert!(space.allocate(JobId(u64::MAX), &[CHUNK]).is_ok());
        }
    }
}
