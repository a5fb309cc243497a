//! How far a copy is, on the standard error output: a bar on a terminal, or else a line every few
//! seconds.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Leaves the terminal to others when it is dropped.
pub(super) struct Progress {
    what: &'static str,
    /// About: it leaves out the deleted users.
    total: u64,
    done: AtomicU64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    /// When the last line was.
    Lines(Mutex<Instant>),
}

impl Progress {
    pub(super) fn start(what: &'static str, total: u64) -> Self {
        let shown = if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(
                "{prefix:6} [{bar:30}] {human_pos} records, {per_sec}, {eta} to go",
            );
            bar.set_style(style.expect("the template is right").progress_chars("=> "));
            bar.set_prefix(what);
            Shown::Bar(bar)
        } else {
            Shown::Lines(Mutex::new(Instant::now()))
        };
        Self {
            what,
            total,
            done: AtomicU64::new(0),
            shown,
        }
    }

    pub(super) fn add(&self, records: u64) {
        let done = self.done.fetch_add(records, Ordering::Relaxed) + records;
        match &self.shown {
            Shown::Bar(bar) => {
                bar.set_length(self.total.max(done));
                bar.set_position(done);
            }
            Shown::Lines(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() < LINE_EVERY {
                    return;
                }
                *last = Instant::now();
                let Self { what, total, .. } = self;
                // `eprintln!` panics if nobody can be told.
                let _ = writeln!(io::stderr(), "{what}: {done} of about {total} records");
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
