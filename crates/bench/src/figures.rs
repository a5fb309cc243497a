//! What a run costs: the server's CPU time and memory from its metrics, and the generator's own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, header::HOST};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    endpoint::Endpoint,
    lane::{CallError, Dialer, Lane, TlsError},
};

/// For one read of the metrics.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A server's figures at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ServerFigures {
    pub(crate) cpu_s: f64,
    pub(crate) resident_bytes: f64,
}

/// Reads `/metrics` of an operator listener.
pub(crate) struct Metrics {
    endpoint: Endpoint,
    lane: Lane,
}

/// Why a server's figures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another answer.
    #[error("the status is {0}")]
    Status(StatusCode),
    /// Not the metrics of a process.
    #[error(
        "there is no process_cpu_seconds_total; is it the operator listener of a muster on Linux?"
    )]
    NotThere,
}

impl Metrics {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Metrics, FiguresError> {
        let dialer = Dialer::new(endpoint.clone())?;
        Ok(Metrics {
            endpoint: endpoint.clone(),
            lane: Lane::new(Arc::new(dialer), TIMEOUT),
        })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) async fn read(&mut self) -> Result<ServerFigures, FiguresError> {
        let request = Request::get(format!("{}/metrics", self.endpoint.base_path))
            .header(HOST, &self.endpoint.authority)
            .body(Full::new(Bytes::new()))
            .expect("a path of a URL and an authority make a request");
        let (status, body) = self.lane.call(request).await?;
        if status != StatusCode::OK {
            return Err(FiguresError::Status(status));
        }
        parsed(&String::from_utf8_lossy(&body)).ok_or(FiguresError::NotThere)
    }
}

fn parsed(metrics: &str) -> Option<ServerFigures> {
    let value = |name: &str| {
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.split(' ').next()?.parse().ok()
    };
    Some(ServerFigures {
        cpu_s: value("process_cpu_seconds_total")?,
        resident_bytes: value("process_resident_memory_bytes")?,
    })
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(spent).expect("CPU time is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_as_muster_writes_them() {
        let text = "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 2.5\n\
                    process_resident_memory_bytes 1048576\n# EOF\n";
        let expected = ServerFigures {
            cpu_s: 2.5,
            resident_bytes: 1_048_576.0,
        };
        assert_eq!(parsed(text), Some(expected));
        assert_eq!(parsed("process_cpu_seconds_total 2.5\n"), None);
        assert_eq!(parsed("<html>"), None);
    }
}
