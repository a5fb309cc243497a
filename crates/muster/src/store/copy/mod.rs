//! `muster store copy`: all apps and accounts from one place to another.

mod place;
mod progress;
mod walk;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueHint};

use self::{
    place::{Place, Source, Target},
    progress::Progress,
    walk::{Counts, copy, standing, verify},
};
use crate::{config, log, out};

/// Copy all apps and accounts into another place: from a data directory into a database, back, or to
/// another of its kind.
///
/// Everything is as it was in the end: keys and settings of the apps, accounts with their internal ids
/// and times, kick marks, and what is left of deleted users. What the source still holds is compared
/// with what the target then holds, record by record, before the command ends well.
///
/// A copy that was broken off goes on where it was when the same command is run again. A target that
/// holds anything else than the first part of this source is refused. Until it is whole, a directory is
/// called DIRECTORY.partial, and a database is opened by no server.
///
/// Stop all servers of the source and of the target first. A data directory that is in use is refused. A
/// database is locked while it is copied: a server that still runs on it fails to write, so nothing is
/// left out of the copy that was acknowledged. The operator token is not copied.
///
/// The password of a database comes from the file that --from-password-file or --to-password-file
/// names, or from MUSTER_STORE_PASSWORD.
#[derive(Args)]
#[command(after_help = "Examples:
  muster store copy --from /var/lib/muster --to postgres://muster@10.0.0.5/muster
  muster store copy --from postgres://muster@10.0.0.5/muster --to /var/lib/muster
  muster store copy --from ./muster-data --to 'postgres://muster@db/muster?sslmode=require' \\
    --to-password-file password")]
pub(crate) struct Copy {
    /// What to copy: a data directory, or the URL of a database.
    #[arg(long, value_name = "PLACE", value_hint = ValueHint::AnyPath)]
    from: String,

    /// Where to: a data directory, which need not be there, or the URL of a database.
    #[arg(long, value_name = "PLACE", value_hint = ValueHint::AnyPath)]
    to: String,

    /// A file with the password of the database to copy from.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    from_password_file: Option<PathBuf>,

    /// A file with the password of the database to copy to.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    to_password_file: Option<PathBuf>,
}

impl Copy {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log::start(&config::Log {
            json: false,
            level: "warn".to_owned(),
        });
        let from = Place::parse(&self.from, self.from_password_file).context("--from")?;
        let to = Place::parse(&self.to, self.to_password_file).context("--to")?;
        ensure!(!from.is(&to), "--from and --to are the same place, {from}");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the threads of the copy")?;
        let said = runtime.block_on(run(&from, &to))?;
        out::print(&said)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Copies and verifies, and says what came of it.
async fn run(from: &Place, to: &Place) -> anyhow::Result<String> {
    let began = Instant::now();
    let source = Source::open(from).await.context("--from")?;
    let target = Target::open(to).await.context("--to")?;
    let (place, target_place) = (source.place(), target.place());
    let held = source.store().hold().await;
    let held = held.with_context(|| place.to_owned())?;

    let standing = standing(source.store(), target.store())
        .await
        .with_context(|| format!("{target_place} cannot become a copy of {place}"))?;
    let there_before = standing.records;
    target.begin().await?;
    let copied = {
        let progress = Progress::start("copy", source.store().stats().accounts);
        progress.add(there_before);
        copy(source.store(), target.store(), standing, &progress).await
    };
    copied.context("the copy broke off; the same command goes on with it")?;
    let progress = Progress::start("verify", source.store().stats().accounts);
    let counts = verify(source.store(), target.store(), &progress).await;
    drop(progress);
    let counts = counts.with_context(|| format!("{target_place} is no copy of {place}"))?;
    let released = held.release().await;
    released.with_context(|| format!("{place} may have changed; run the same command again"))?;
    target.end().await?;
    source.close().await?;

    let Counts {
        apps,
        accounts,
        deleted,
    } = counts;
    let before = match there_before {
        0 => String::new(),
        records => format!("\nrecords that were there from before: {records}"),
    };
    Ok(format!(
        "{to} is a copy of {from}, made in {:.1} s; all compared\n\
         apps: {apps}, accounts: {accounts}, deleted users: {deleted}{before}\n",
        began.elapsed().as_secs_f64(),
    ))
}
