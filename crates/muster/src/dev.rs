//! `muster dev`: the stand-in. No configuration, an app ready, one command to see it work.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser as _};
use muster_accounts::{App, Edition, NewApp, UnixSeconds};
use muster_server::Clock;

use crate::{
    config::{self, File},
    data_dir,
    dev_tls::LocalTls,
    run, sample,
    settings_args::SettingsArgs,
};

/// Start a server to develop against: no configuration, an app ready, a signed curl line to paste.
///
/// The first start makes the app 1400000000 with the public sample key of the UserSig libraries and
/// the admin `administrator`. What is imported stays in the data directory. Variables such as
/// MUSTER_LOG_LEVEL count here too; a muster.toml is not read.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dev {
    #[command(flatten)]
    settings: SettingsArgs,

    /// The edition of the app, when it is made.
    #[arg(long, value_name = "EDITION", default_value = "developer", value_parser = edition())]
    edition: Edition,

    /// Answer any number of calls a second.
    #[arg(long)]
    no_rate_limits: bool,

    /// Speak HTTPS, with a certificate for this machine and for the names of the real service. Its
    /// CA is made at the first such start and kept in the data directory.
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    tls: bool,

    #[command(flatten)]
    sample_key: run::SampleKeyArg,
}

const EXAMPLES: &str = "\
Examples:
  muster dev
  muster dev --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0    for tests: any free ports
  muster dev --edition trial --data-dir /tmp/trial                 to meet the cap of 100 accounts
  muster dev --tls                                                 to be called with https
  muster dev --no-rate-limits --log-level warn                     for load tests";

/// An edition by name; the names complete in shells.
pub(crate) fn edition() -> impl clap::builder::TypedValueParser<Value = Edition> {
    PossibleValuesParser::new(Edition::ALL.map(Edition::name)).map(|name| {
        name.parse::<Edition>()
            .expect("only names of editions pass")
    })
}

impl Dev {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Dev {
            settings,
            edition,
            no_rate_limits,
            tls,
            sample_key,
        } = self;
        let mut flags = settings.flags();
        // First, so that a setting given counts over it.
        flags.insert(0, ("muster dev", config::setting("test_controls", &true)));
        if no_rate_limits {
            flags.push(("--no-rate-limits", config::setting("rate_limits", &false)));
        }
        let loaded = config::load(flags, std::env::vars_os(), &File::None)?;
        if let Some(files) = &loaded.config.tls
            && tls
        {
            bail!(
                "--tls makes a certificate, and tls_cert names one ({}); leave one of them out",
                files.cert_source
            );
        }
        if data_dir::is_new(&loaded.config.data_dir) {
            // Before anything is written: the app would be made with the key.
            run::refuse_public_key(&loaded.config, &sample_key, sample::SDKAPPID)?;
        }
        run::run(loaded, &sample_key, async |opened| {
            let now = Clock::system().now();
            let (app, made) = app(opened, edition, &sample_key, now).await?;
            let mut notes = vec![
                ("data", data(opened)),
                ("app", app_note(&app, made, edition)),
                ("secret key", key_note(&app)),
                ("rate limits", rate_note(opened).to_owned()),
                ("operator token", run::token_note(opened)),
            ];
            let data_dir = &opened.config.data_dir;
            let local = tls.then(|| LocalTls::open(data_dir, now)).transpose()?;
            notes.extend(local.as_ref().map(|local| ("local CA", local.note())));
            let certificate = local.as_ref().map(|local| local.certificate.clone());
            let scheme = run::scheme(tls || opened.config.tls.is_some());
            let title = "the stand-in for the account API of Tencent Cloud Live and Chat";
            Ok(run::Prepared {
                greeting: run::Greeting {
                    title: title.to_owned(),
                    notes,
                    farewell: Some(Box::new(move |public_addr| {
                        let base = run::reachable(scheme, public_addr);
                        let ca_path = local.as_ref().map(LocalTls::ca_path);
                        let mut text = invitation(&app, &base, ca_path, now);
                        text.extend(local.as_ref().map(|local| local.advice(&base)));
                        text
                    })),
                },
                certificate,
            })
        })
    }
}

/// The app as it is, or made. Returns whether it was made.
async fn app(
    opened: &run::Opened,
    edition: Edition,
    sample_key: &run::SampleKeyArg,
    now: UnixSeconds,
) -> anyhow::Result<(Arc<App>, bool)> {
    let store = &opened.store;
    let found = store.app(sample::SDKAPPID).await;
    if let Some(app) = found.context("cannot read the app")? {
        return Ok((app, false));
    }
    run::refuse_public_key(&opened.config, sample_key, sample::SDKAPPID)?;
    let new = NewApp {
        sdkappid: sample::SDKAPPID,
        edition,
        key: sample::key(),
    };
    let made = store.create_app(new, now).await;
    Ok((made.context("cannot make the app")?, true))
}

fn rate_note(opened: &run::Opened) -> &'static str {
    if opened.config.rate_limits {
        "100 or 200 calls a second of each command, as documented (--no-rate-limits lifts them)"
    } else {
        "off"
    }
}

fn data(opened: &run::Opened) -> String {
    let place = opened.config.place();
    let accounts = opened.store.stats().accounts;
    if opened.new_data_dir && opened.config.store.is_none() {
        return format!("{place} (new)");
    }
    format!("{place} (kept from before, accounts: {accounts})")
}

fn app_note(app: &App, made: bool, wanted: Edition) -> String {
    let App {
        sdkappid, edition, ..
    } = app;
    let mut note = format!("SDKAppID {sdkappid}, edition {edition}, admin administrator");
    if !made && *edition != wanted {
        note.push_str(" (chosen when the app was made; --edition counts only then)");
    }
    note
}

fn key_note(app: &App) -> String {
    if *app.signing_key() == sample::key() {
        return format!("{} (public: a sample that everyone knows)", sample::KEY);
    }
    "its own, not the public sample key".to_owned()
}

fn invitation(app: &App, base: &str, ca_path: Option<&Path>, now: UnixSeconds) -> String {
    let curl = sample::curl(app, base, ca_path, now.0);
    format!("Import two accounts, the second one twice; the last entry wins:\n\n{curl}\n")
}
