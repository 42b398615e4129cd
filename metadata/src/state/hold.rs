//! What holds up a job's requests while it may be ending. Pure.
//!
//! A freeze stops writes and lapses by itself, so that a controller that is gone harms nobody. A fence stops everything and stays:
//! it comes only behind its own freeze, so nobody has written since that was answered. Both go by the operation that
//! they are part of, because messages may come late and twice: what was undone once is refused from then on.

use pocket_api::clock::Timestamp;
use pocket_api::ids::OperationId;
use pocket_api::limits::FREEZE_LEASE;
use pocket_api::metadata::MetadataError;

#[derive(Debug, Default)]
pub(crate) struct Hold {
    kind: Kind,
    /// This operation, and all before it, hold nothing up any more.
    undone: OperationId,
}

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Free,
    Frozen {
        by: OperationId,
        until: Timestamp,
    },
    Fenced {
        by: OperationId,
    },
}

impl Hold {
    /// No write from here on, for a while. That of a later operation takes the place of an earlier one.
    pub(crate) fn freeze(&mut self, by: OperationId, now: Timestamp) -> Result<(), MetadataError> {
        match self.kind {
            _ if by <= self.undone => Err(MetadataError::Busy),
            Kind::Fenced { by: own } if own == by => Ok(()),
            Kind::Fenced { .. } => Err(MetadataError::Busy),
            // It was judged idle or empty when it was frozen first, and has to stay so: a freeze is not made longer.
            Kind::Frozen { by: own, until } if own == by && until > now => Ok(()),
            Kind::Frozen { by: own, .. } if own >= by => Err(MetadataError::Busy),
            Kind::Free | Kind::Frozen { .. } => {
                self.kind = Kind::Frozen { by, until: now + FREEZE_LEASE };
                Ok(())
            }
        }
    }

    /// No request from here on, until it is undone.
    pub(crate) fn fence(&mut self, by: OperationId, now: Timestamp) -> Result<(), MetadataError> {
        match self.kind {
            Kind::Fenced { by: own } if own == by => Ok(()),
            Kind::Frozen { by: own, until } if own == by && until > now => {
                self.kind = Kind::Fenced { by };
                Ok(())
            }
            _ => Err(MetadataError::Busy),
        }
    }

    pub(crate) fn undo(&mut self, by: OperationId) {
        self.undone = self.undone.max(by);
        match self.kind {
            Kind::Frozen { by: own, .. } | Kind::Fenced { by: own } if own <= self.undone => {
                self.kind = Kind::Free;
            }
            _ => {}
        }
    }

    /// Writes are held up.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        match self.kind {
            Kind::Free => false,
            Kind::Frozen { until, .. } => until > now,
            Kind::Fenced { .. } => true,
        }
    }

    /// Everything is.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self.kind, Kind::Fenced { .. })
    }
}
