//! How a batch gets to where it is imported.

mod direct;
mod wire;

use std::{sync::Arc, time::Duration};

use muster_client::{Client, operator::Operator};
use thiserror::Error;
use tokio::time::Instant;

pub use wire::Reasons;

use crate::{
    batches::BatchLimits,
    journal::Refused,
    pace::{Pace, Stopped},
    record::Entry,
};

/// A way to where accounts are imported. It is shared by all batches under way.
#[derive(Clone)]
pub struct Lane(Arc<Kind>);

enum Kind {
    /// Nothing is sent.
    Nowhere(Box<Pace>),
    Wire(Box<wire::Wire>),
    Direct(Box<direct::Direct>),
}

/// What came of a batch's entries.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Those that are refused.
    pub(crate) refused: Refused,
    /// Until when a lost call of it may still be carried out.
    pub(crate) doubt_until: Option<Instant>,
}

/// Why the import cannot go on. What the batches under way were to do may have been done, or not; they are
/// imported again when it is resumed.
#[derive(Clone, Debug, Error)]
pub enum LaneError {
    /// The server refuses calls for another reason than what is in them.
    #[error("the server refuses to import: {0}")]
    Refused(String),
    /// No call was answered as it should be for as long as there was patience, or will be.
    #[error("no call was answered well for {patience_s} s, or will be soon: {cause}")]
    GaveUp {
        /// Why the last one failed.
        cause: String,
        /// The patience that there was, in seconds.
        patience_s: u64,
    },
    /// Somebody has stopped it.
    #[error("it was stopped")]
    Stopped,
}

impl From<Stopped> for LaneError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

/// How fast a lane is to be, and how persistent.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// Calls a second, at most; without it, as many as can be made.
    pub rate_per_s: Option<f64>,
    /// Calls under way at once, at most.
    pub in_flight: usize,
    /// How long to try while no call is answered as it should be.
    pub patience: Duration,
    /// How long a call may still be carried out after nothing was heard of it for the time that it may
    /// take. Records that name its users again wait for that long.
    pub doubt: Duration,
}

impl Tempo {
    fn pace(&self) -> Pace {
        Pace::new(self.rate_per_s, self.patience)
    }
}

impl Lane {
    /// Checks only, and sends nothing.
    pub fn nowhere() -> Self {
        Self(Kind::Nowhere(Pace::new(None, Duration::ZERO).into()).into())
    }

    /// Calls of `multiaccount_import`, up to 100 users each.
    pub fn wire(client: Client, reasons: Reasons, tempo: Tempo) -> Self {
        Self(Kind::Wire(wire::Wire::new(client, reasons, tempo).into()).into())
    }

    /// Whole parts of the file, to muster's operator API, each of which may take as long as `timeout`.
    pub fn direct(operator: Operator, app: u32, timeout: Duration, tempo: Tempo) -> Self {
        let direct = direct::Direct::new(operator, app, timeout, tempo);
        Self(Kind::Direct(direct.into()).into())
    }

    pub(crate) fn limits(&self) -> BatchLimits {
        match &*self.0 {
            Kind::Nowhere(_) | Kind::Wire(_) => wire::LIMITS,
            Kind::Direct(_) => direct::LIMITS,
        }
    }

    /// How long a call may still be carried out after it was lost.
    pub(crate) fn doubt(&self) -> Duration {
        match &*self.0 {
            Kind::Nowhere(_) => Duration::ZERO,
            Kind::Wire(wire) => wire.tempo.doubt,
            Kind::Direct(direct) => direct.tempo.doubt,
        }
    }

    pub(crate) fn in_flight(&self) -> usize {
        match &*self.0 {
            Kind::Nowhere(_) => 1,
            Kind::Wire(wire) => wire.tempo.in_flight.max(1),
            Kind::Direct(direct) => direct.tempo.in_flight.max(1),
        }
    }

    /// Imports these entries, however often it has to try.
    pub(crate) async fn send(&self, entries: &[Entry]) -> Result<Sent, LaneError> {
        match &*self.0 {
            _ if entries.is_empty() => Ok(Sent::default()),
            Kind::Nowhere(pace) => Ok(pace.turn().await.map(|()| Sent::default())?),
            Kind::Wire(wire) => wire.send(entries).await,
            Kind::Direct(direct) => direct.send(entries).await,
        }
    }

    /// When calls are made. Once it is stopped, those under way come to their ends, and none is made any more.
    pub(crate) fn pace(&self) -> &Pace {
        match &*self.0 {
            Kind::Nowhere(pace) => pace,
            Kind::Wire(wire) => &wire.pace,
            Kind::Direct(direct) => &direct.pace,
        }
    }
}
