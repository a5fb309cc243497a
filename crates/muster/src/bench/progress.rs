//! How far a run is, on the standard error output: a bar on a terminal, or else a line every few
//! seconds.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use muster_bench::{Progress, Seen};

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress from a thread of its own, which does not hold the calls up.
pub(super) struct Shown {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Shown {
    pub(super) fn start(progress: Progress) -> anyhow::Result<Shown> {
        let (end, told) = mpsc::channel();
        let thread = thread::Builder::new().name("bench-progress".to_owned());
        let thread = thread.spawn(move || {
            let (every, mut view) = if io::stderr().is_terminal() {
                (BAR_EVERY, View::Bar(bar()))
            } else {
                (LINE_EVERY, View::Lines)
            };
            let mut before = None;
            while told.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let Some(seen) = progress.seen() else {
                    continue;
                };
                let now = Instant::now();
                view.show(&seen, accounts_per_s(before, &seen, now));
                before = Some((seen, now));
            }
            view.end();
        });
        Ok(Shown {
            end,
            thread: thread.context("cannot start a thread")?,
        })
    }

    /// Leaves the terminal to others.
    pub(super) fn end(self) {
        // A thread that has ended needs no telling.
        let _ = self.end.send(());
        let _ = self.thread.join();
    }
}

enum View {
    Bar(ProgressBar),
    Lines,
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{prefix:16} [{bar:30}] {percent:>3} %  {msg}  {eta} to go");
    bar.set_style(style.expect("the template is right").progress_chars("=> "));
    bar
}

impl View {
    fn show(&mut self, seen: &Seen, accounts_per_s: Option<u64>) {
        let rate = accounts_per_s.map_or_else(String::new, |rate| format!("{rate} accounts/s, "));
        let failed = seen.failed_calls;
        match self {
            View::Bar(bar) => {
                if bar.prefix() != seen.phase {
                    bar.reset();
                    bar.set_prefix(seen.phase);
                }
                bar.set_length(seen.total_calls);
                bar.set_message(format!("{rate}{failed} failed calls"));
                bar.set_position(seen.calls);
            }
            View::Lines => {
                let (phase, calls, total) = (seen.phase, seen.calls, seen.total_calls);
                // `eprintln!` panics if nobody can be told.
                let _ = writeln!(
                    io::stderr(),
                    "{phase}: {calls} of {total} calls, {rate}{failed} failed calls"
                );
            }
        }
    }

    fn end(&self) {
        if let View::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Since the time before; `None` at the beginning of a phase.
fn accounts_per_s(before: Option<(Seen, Instant)>, seen: &Seen, now: Instant) -> Option<u64> {
    let (seen_before, at) = before?;
    if seen_before.phase_number != seen.phase_number {
        return None;
    }
    let accounts = u128::from(seen.accounts.saturating_sub(seen_before.accounts));
    let rate = accounts * 1_000_000 / (now - at).as_micros().max(1);
    u64::try_from(rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let seen = |phase_number, accounts| Seen {
            phase: "import",
            phase_number,
            total_calls: 100,
            calls: 10,
            accounts,
            failed_calls: 0,
        };
        let now = Instant::now();
        let later = now + Duration::from_millis(500);
        for (before, expected) in [
            (None, None),
            (Some((seen(1, 1000), now)), Some(3000)),
            (Some((seen(2, 1000), now)), None),
            (Some((seen(1, 9000), now)), Some(0)),
        ] {
            assert_eq!(accounts_per_s(before, &seen(1, 2500), later), expected);
        }
    }
}
