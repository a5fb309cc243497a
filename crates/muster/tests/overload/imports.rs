//! Imports of lines that are made to be held in memory.

use bytes::Bytes;
use muster_testkit::SDKAPPID;
use tokio::task::JoinSet;

use crate::server::{BESIDE_MIB, Server};

/// How many go on at a time.
const IMPORTS: usize = 4;

/// What an import holds at most.
const IMPORT_MIB: u64 = 25;

/// A hundred MiB to each import, of which a commit cannot keep more than its share: good lines between lines
/// that are too long, between blank lines, and between lines that are refused with a long text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_would_keep_what_came_with_them() {
    let server = Server::start(&[]);
    let too_long = "x".repeat(64 * 1024 + 1) + "\n";
    let blank = "\n".repeat(9) + &" ".repeat(60_000) + "\n";
    let refused = format!("{{\"user_id\":\"{}\"}}\n", "x".repeat(60_000));
    for beside in [too_long, blank, refused] {
        let pairs = 100 * 1024 * 1024 / beside.len();
        let lines: String = (0..pairs)
            .flat_map(|i| {
                let good = format!("{{\"user_id\":\"u{i}\",\"nick\":\"n\"}}\n");
                [good, beside.clone()]
            })
            .collect();
        let lines = Bytes::from(lines);
        let mut imports = JoinSet::new();
        for _ in 0..IMPORTS {
            let (operator, lines) = (server.operator(), lines.clone());
            imports.spawn(async move {
                let mut import = operator.import_lines(SDKAPPID, lines, false).await.unwrap();
                let mut good = 0;
                while let Some(commit) = import.commit().await.unwrap() {
                    good += commit.created + commit.updated + commit.unchanged;
                }
                good
            });
        }
        while let Some(good) = imports.join_next().await {
            assert_eq!(good.unwrap(), pairs as u64);
        }
        let peak_mib = server.peak_memory_mib();
        println!("peak {peak_mib} MiB");
        let bound_mib = IMPORTS as u64 * IMPORT_MIB + BESIDE_MIB;
        assert!(peak_mib < bound_mib, "{peak_mib} MiB");
    }
}
