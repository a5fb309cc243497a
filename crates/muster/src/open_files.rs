//! How many files and connections the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// For the store, which keeps up to 900 files open, and for listeners, log and the like.
const STORE_FILES: u64 = 1000;

/// Raises the soft limit on open files to the hard one, and lowers the number of connections to what
/// is left beside the store. Without room every accept would fail, and the store with it.
pub(crate) fn fit_connections(max_connections: usize, max_operator_connections: usize) -> usize {
    let limit = raise();
    let Some(open_files) = limit.current else {
        return max_connections;
    };
    let allowed = connections_within(open_files, max_operator_connections as u64);
    if max_connections as u64 <= allowed {
        return max_connections;
    }
    warn!(
        open_files,
        max_connections = allowed,
        configured = max_connections,
        "the limit on open files leaves room for fewer connections than configured; raise it \
         (ulimit -n, or LimitNOFILE in systemd)"
    );
    usize::try_from(allowed).expect("less than max_connections")
}

/// Raises the soft limit on open files to the hard one. Returns how many connections fit in beside
/// `other_files`.
pub(crate) fn room_for_connections(other_files: u64) -> u64 {
    let open_files = raise().current.unwrap_or(u64::MAX);
    open_files.saturating_sub(other_files)
}

fn raise() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Some systems refuse a soft limit as high as the hard one; then it stays as it was.
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised,
        Err(_) => limit,
    }
}

/// Half of a small limit is the store's, which opens fewer files then.
fn connections_within(open_files: u64, operator_connections: u64) -> u64 {
    let store = STORE_FILES.min(open_files / 2);
    open_files
        .saturating_sub(store + operator_connections)
        .max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beside_the_store() {
        for (open_files, operator_connections, expected) in [
            (1_048_576, 100, 1_047_476),
            (4096, 100, 2996),
            (1024, 100, 412),
            (256, 100, 28),
            (64, 100, 16),
        ] {
            let found = connections_within(open_files, operator_connections);
            assert_eq!(found, expected, "{open_files}");
        }
    }
}
