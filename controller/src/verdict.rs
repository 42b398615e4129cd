//! How far the end of a job has come, from what its shards answered to their fences. Pure.

use crate::job::Fence;
use pocket_api::metadata::{MetadataError, ShardReply};

/// What one shard said to [`pocket_api::metadata::ShardRequest::End`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fenced {
    /// It will never serve the job again, now or from an earlier fence on.
    Yes,
    /// Its freeze has lapsed: it may have taken writes since.
    Lapsed,
    /// No answer: it may be fenced or not.
    Unknown,
}

impl Fenced {
    pub(crate) fn of(answer: &Result<ShardReply, MetadataError>) -> Self {
        match answer {
            Ok(_) | Err(MetadataError::NoSuchJob) => Self::Yes,
            Err(MetadataError::Busy) => Self::Lapsed,
            Err(_) => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every shard is fenced.
    Ended,
    /// Fence again, until it is done. Once a single shard is fenced the job cannot be whole again, so there is no way
    /// back: then the others are fenced whatever they hold.
    GoOn(Fence),
    /// No shard is fenced and a freeze has lapsed: the job goes on, whole.
    Lives,
}

/// `answers`: one for each shard that is not dead. `dead`: there are dead ones, which nobody asks any more.
pub(crate) fn verdict(fence: Fence, answers: &[Fenced], dead: bool) -> Verdict {
    let some = |wanted| answers.contains(&wanted);
    match fence {
        _ if answers.iter().all(|a| *a == Fenced::Yes) => Verdict::Ended,
        Fence::Anyway => Verdict::GoOn(Fence::Anyway),
        Fence::IfFrozen if dead || some(Fenced::Yes) => Verdict::GoOn(Fence::Anyway),
        Fence::IfFrozen if some(Fenced::Unknown) => Verdict::GoOn(Fence::IfFrozen),
        Fence::IfFrozen => Verdict::Lives,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_when_all_its_shards_are_fenced_and_lives_only_while_none_is() {
        use Fence::{Anyway, IfFrozen};
        use Fenced::{Lapsed, Unknown, Yes};
        for (fence, answers, dead, expected) in [
            (IfFrozen, &[Yes, Yes][..], false, Verdict::Ended),
            (Anyway, &[Yes], true, Verdict::Ended),
            (Anyway, &[], true, Verdict::Ended),
            (IfFrozen, &[Lapsed], false, Verdict::Lives),
            (IfFrozen, &[Lapsed, Lapsed], false, Verdict::Lives),
            (IfFrozen, &[Lapsed, Yes], false, Verdict::GoOn(Anyway)),
            (IfFrozen, &[Unknown, Yes], false, Verdict::GoOn(Anyway)),
            (IfFrozen, &[Unknown, Lapsed], false, Verdict::GoOn(IfFrozen)),
            (IfFrozen, &[Unknown], false, Verdict::GoOn(IfFrozen)),
            (IfFrozen, &[Lapsed], true, Verdict::GoOn(Anyway)),
            (Anyway, &[Unknown, Yes], false, Verdict::GoOn(Anyway)),
            (Anyway, &[Unknown, Unknown], true, Verdict::GoOn(Anyway)),
        ] {
            assert_eq!(verdict(fence, answers, dead), expected, "{fence:?} {answers:?} {dead}");
        }
    }

    #[test]
    fn only_an_answer_that_says_so_counts_as_fenced() {
        for (answer, expected) in [
            (Ok(ShardReply::Done), Fenced::Yes),
            (Err(MetadataError::NoSuchJob), Fenced::Yes),
            (Err(MetadataError::Busy), Fenced::Lapsed),
            (Err(MetadataError::Unavailable("gone".into())), Fenced::Unknown),
            (Err(MetadataError::Crowded), Fenced::Unknown),
        ] {
            assert_eq!(Fenced::of(&answer), expected);
        }
    }
}
