//! A run: a first call that shows whether there is sense in it, then one phase after the other.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    answer,
    caller::{Caller, Heads},
    command::Command,
    endpoint::Endpoint,
    feed::Feed,
    figures::{FiguresError, Metrics, own_cpu},
    lane::{CallError, Dialer, Lane, TlsError},
    plan::{Phase, Plan},
    progress::Progress,
    refusal,
    report::{Ended, Measured, PhaseReport, Report},
    schedule::Schedule,
    stop::Stop,
    tally::{Tally, said},
    worker::{Shared, not_an_answer, refusal_text, work},
};

/// Where a muster has its operator listener unless told otherwise.
const USUAL_OPERATOR: &str = "http://127.0.0.1:7081";

/// Calls without an answer after which the server is taken to be gone; for each connection some
/// more, since all of them fail at once when it goes.
const UNANSWERED_LIMIT: u64 = 50;
const UNANSWERED_LIMIT_OF_CONNECTION: u64 = 3;

/// How the calls are made.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many connections, each with one call in flight.
    pub connections: usize,
    /// Calls per second, above zero; without it each connection calls again once it is answered.
    pub rate_per_s: Option<f64>,
    /// For one whole call.
    pub timeout: Duration,
}

/// A run that is ready to begin.
#[derive(Debug)]
pub struct Bench {
    /// The server.
    pub endpoint: Endpoint,
    /// Who calls.
    pub caller: Caller,
    /// What is called.
    pub plan: Plan,
    /// How.
    pub load: Load,
    /// The operator listener of the server, for its CPU time and memory. Without it, the usual one
    /// is tried if the endpoint is on this machine.
    pub operator: Option<Endpoint>,
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The first call has no answer.
    #[error(
        "no server answers at {endpoint} ({why}); is --endpoint the account API, as in \
         http://127.0.0.1:7080, and does the server run?"
    )]
    NoServer {
        /// What was called.
        endpoint: Endpoint,
        /// What happened.
        why: String,
    },
    /// The first call has an answer of something else.
    #[error("what answers at {endpoint} is not the account API ({why}); see --endpoint")]
    NotTheApi {
        /// What was called.
        endpoint: Endpoint,
        /// What came.
        why: String,
    },
    /// The first call was refused, and so would all others be.
    #[error("{0}")]
    Refused(String),
    /// Not all connections can be opened.
    #[error(
        "only {opened} of {wanted} connections can be opened ({why}); give fewer --connections, or \
         raise the limit on open files (ulimit -n)"
    )]
    Connections {
        /// How many there are.
        opened: usize,
        /// How many there were to be.
        wanted: usize,
        /// What happened.
        why: String,
    },
    /// The operator listener that was named cannot be used.
    #[error("--operator-url {operator}: the server's figures cannot be read")]
    Operator {
        /// What was named.
        operator: Endpoint,
        /// What happened.
        source: FiguresError,
    },
    /// The thread that writes calls cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Bench {
    /// Makes the calls and tells what came of them. `stop` ends the run early, with what was
    /// measured until then. Runs on a runtime of tokio with timers and network.
    pub async fn run(&self, progress: &Progress, stop: &Stop) -> Result<Report, BenchError> {
        let heads = Arc::new(self.caller.heads(&self.endpoint));
        let dialer = Arc::new(Dialer::new(self.endpoint.clone())?);
        let mut metrics = self.metrics().await?;
        let mut lanes = vec![
            self.probed(Lane::new(dialer.clone(), self.load.timeout), &heads)
                .await?,
        ];
        while lanes.len() < self.load.connections && !stop.is_told() {
            let mut lane = Lane::new(dialer.clone(), self.load.timeout);
            lane.open().await.map_err(|error| BenchError::Connections {
                opened: lanes.len(),
                wanted: self.load.connections,
                why: said(&error),
            })?;
            lanes.push(lane);
        }
        let mut phases = Vec::new();
        for phase in self.plan.phases() {
            if stop.is_told() {
                break;
            }
            let shared = Arc::new(Shared {
                heads: heads.clone(),
                tally: Tally::default(),
                progress: progress.clone(),
                stop: stop.clone(),
                unanswered: AtomicU64::new(0),
                unanswered_limit: UNANSWERED_LIMIT
                    + UNANSWERED_LIMIT_OF_CONNECTION * self.load.connections as u64,
            });
            phases.push(
                self.measure(&phase, shared, &mut lanes, metrics.as_mut())
                    .await?,
            );
        }
        let ended = match stop.because() {
            Some(because) => Ended::GaveUp(because.to_owned()),
            None if stop.is_told() => Ended::Interrupted,
            None => Ended::Done,
        };
        Ok(Report::new(self, phases, ended))
    }

    /// Makes one call that changes nothing and of which nothing is measured.
    async fn probed(&self, mut lane: Lane, heads: &Heads) -> Result<Lane, BenchError> {
        let body = Bytes::from_static(b"{\"CheckItem\":[{\"UserID\":\"administrator\"}]}");
        let endpoint = || self.endpoint.clone();
        let request = heads.request(Command::AccountCheck, body);
        let (status, body) = lane.call(request).await.map_err(|error| {
            let why = said(&error);
            match error {
                CallError::Broken(_) | CallError::TooLong => BenchError::NotTheApi {
                    endpoint: endpoint(),
                    why,
                },
                _ => BenchError::NoServer {
                    endpoint: endpoint(),
                    why,
                },
            }
        })?;
        match answer::error_code(&body) {
            Some(code) if refusal::is_hopeless(code) => Err(BenchError::Refused(refusal_text(
                code,
                &answer::error_info(&body),
            ))),
            // Also one that says that there is too much to do: that is to be measured.
            Some(_) => Ok(lane),
            None => Err(BenchError::NotTheApi {
                endpoint: endpoint(),
                why: not_an_answer(status, &body),
            }),
        }
    }

    async fn metrics(&self) -> Result<Option<Metrics>, BenchError> {
        if let Some(operator) = &self.operator {
            let failed = |source| BenchError::Operator {
                operator: operator.clone(),
                source,
            };
            let mut metrics = Metrics::new(operator).map_err(failed)?;
            metrics.read().await.map_err(failed)?;
            return Ok(Some(metrics));
        }
        if !self.endpoint.is_loopback() {
            return Ok(None);
        }
        let usual = Endpoint::parse(USUAL_OPERATOR).expect("it is a URL");
        let Ok(mut metrics) = Metrics::new(&usual) else {
            return Ok(None);
        };
        Ok(metrics.read().await.is_ok().then_some(metrics))
    }

    async fn measure(
        &self,
        phase: &Phase,
        shared: Arc<Shared>,
        lanes: &mut Vec<Lane>,
        mut metrics: Option<&mut Metrics>,
    ) -> Result<PhaseReport, BenchError> {
        let server_before = read(&mut metrics).await;
        let own_cpu_before = own_cpu();
        let calls = phase.calls();
        shared.progress.begin(phase.name, calls.end - calls.start);
        let begun = Instant::now();
        let schedule = self.load.rate_per_s.map(|rate| Schedule::new(begun, rate));
        let feed = Feed::start(self.plan, phase.clone(), schedule, shared.stop.clone());
        let feed = Arc::new(feed.map_err(BenchError::Thread)?);
        let workers: Vec<_> = lanes
            .drain(..)
            .map(|lane| tokio::spawn(work(lane, feed.clone(), shared.clone())))
            .collect();
        // Once no worker has it, the feed's thread sees that nobody takes calls any more.
        drop(feed);
        for worker in workers {
            lanes.push(worker.await.expect("a worker does not panic"));
        }
        let elapsed = begun.elapsed();
        let own_cpu = own_cpu().saturating_sub(own_cpu_before);
        let server = match (server_before, read(&mut metrics).await, metrics) {
            (Some(before), Some(after), Some(metrics)) => {
                Some((metrics.endpoint().to_string(), before, after))
            }
            _ => None,
        };
        Ok(PhaseReport::new(Measured {
            name: phase.name,
            elapsed,
            counts: shared.tally.take(),
            scheduled: schedule.is_some(),
            own_cpu,
            server,
        }))
    }
}

/// What cannot be read is left out of the report.
async fn read(metrics: &mut Option<&mut Metrics>) -> Option<crate::figures::ServerFigures> {
    metrics.as_mut()?.read().await.ok()
}
