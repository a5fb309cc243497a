//! How far an import is, on the standard error output: a bar on a terminal, or else a line every few
//! seconds.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use muster_bulk::{Progress, Seen};

use crate::out;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much of the file was read.
pub(super) struct Bytes {
    pub(super) read: Arc<AtomicU64>,
    /// None if nobody knows its end.
    pub(super) total: Option<u64>,
}

/// Shows progress from a thread of its own.
pub(super) struct Shown {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Shown {
    pub(super) fn start(progress: Progress, bytes: Bytes) -> anyhow::Result<Shown> {
        let (end, told) = mpsc::channel();
        let thread = thread::Builder::new().name("import-progress".to_owned());
        let thread = thread.spawn(move || {
            let (every, bar) = if io::stderr().is_terminal() {
                (BAR_EVERY, Some(bar(bytes.total)))
            } else {
                (LINE_EVERY, None)
            };
            let mut rate = Rate::default();
            while told.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let seen = progress.seen();
                let text = text(&seen, rate.of(&seen, Instant::now()));
                let read = bytes.read.load(Ordering::Relaxed);
                if let Some(bar) = &bar {
                    bar.set_position(read);
                    bar.set_message(text);
                    continue;
                }
                let share = bytes
                    .total
                    .and_then(|total| (read * 100).checked_div(total));
                let share = share.map_or_else(String::new, |share| format!("{share} %, "));
                // `eprintln!` panics if nobody can be told.
                let _ = writeln!(io::stderr(), "import: {share}{text}");
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
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

fn bar(bytes_total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes_total, ProgressDrawTarget::stderr());
    let template = match bytes_total {
        Some(_) => "[{bar:30}] {percent:>3} %  {msg}  {eta} to go",
        None => "{spinner} {msg}",
    };
    let style = ProgressStyle::with_template(template).expect("the template is right");
    bar.set_style(style.progress_chars("=> "));
    bar
}

fn text(seen: &Seen, rate_per_s: Option<u64>) -> String {
    let Seen {
        imported, failed, ..
    } = seen;
    let rate = rate_per_s.map_or_else(String::new, |rate| format!(", {}/s", HumanCount(rate)));
    let (imported, failed) = (HumanCount(*imported), HumanCount(*failed));
    let mut text = format!("{imported} imported, {failed} failed{rate}");
    if seen.skipped > 0 && seen.skipped == seen.read {
        text = format!("{} done before, {text}", HumanCount(seen.skipped));
    }
    if let Some(trouble) = &seen.trouble {
        let (cause, pause_s) = (out::visible(&trouble.cause), trouble.pause.as_secs_f64());
        text = format!("{text}; waiting {pause_s:.1} s: {cause}");
    }
    text
}

/// The rate of the last few seconds.
#[derive(Default)]
struct Rate(Vec<(Instant, u64)>);

impl Rate {
    const WINDOW: Duration = Duration::from_secs(10);

    fn of(&mut self, seen: &Seen, now: Instant) -> Option<u64> {
        let done = seen.imported + seen.failed;
        self.0.retain(|(at, _)| now - *at <= Self::WINDOW);
        self.0.push((now, done));
        let (begin, before) = self.0[0];
        let elapsed = (now - begin).as_millis();
        let rate = (u128::from(done - before) * 1000).checked_div(elapsed)?;
        u64::try_from(rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use muster_bulk::Trouble;

    use super::*;

    fn seen(imported: u64, failed: u64) -> Seen {
        Seen {
            read: imported + failed,
            skipped: 0,
            imported,
            failed,
            retries: 0,
            trouble: None,
        }
    }

    #[test]
    fn what_is_shown() {
        assert_eq!(
            text(&seen(90, 10), Some(50)),
            "90 imported, 10 failed, 50/s"
        );
        let trouble = Trouble {
            cause: "cannot connect\u{1b}[2J".to_owned(),
            pause: Duration::from_millis(1240),
        };
        let mut waiting = seen(0, 0);
        waiting.trouble = Some(trouble);
        assert_eq!(
            text(&waiting, None),
            "0 imported, 0 failed; waiting 1.2 s: cannot connect\\u{1b}[2J"
        );
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let mut rate = Rate::default();
        let begun = Instant::now();
        assert_eq!(rate.of(&seen(0, 0), begun), None);
        let at = |s| begun + Duration::from_secs(s);
        assert_eq!(rate.of(&seen(900, 100), at(2)), Some(500));
        assert_eq!(rate.of(&seen(900, 100), at(12)), Some(0));
        assert_eq!(rate.of(&seen(1000, 100), at(13)), Some(100));
    }
}
