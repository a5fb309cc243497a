//! The way to the operator API of a server: where it listens, and the token that opens it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueHint};
use muster_client::{
    TransportError,
    operator::{Operator, OperatorError},
};
use muster_server::OperatorToken;

use crate::{
    config::{self, Config, Flags},
    data_dir, run,
    settings_args::ConfigArg,
};

#[derive(Args)]
#[command(next_help_heading = "Finding the server")]
pub(crate) struct ConnectionArgs {
    /// The server's operator listener [default: from the settings, http://127.0.0.1:7081].
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "MUSTER_OPERATOR_URL",
        hide_env_values = true
    )]
    #[arg(value_hint = ValueHint::Url)]
    operator_url: Option<String>,

    /// A file that holds the operator token and nothing else.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    operator_token_file: Option<PathBuf>,

    /// The server's data directory, where the token is if no other is given
    /// [default: ./muster-data].
    #[arg(long, global = true, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    data_dir: Option<String>,

    #[command(flatten)]
    config: ConfigArg,
}

/// An operator client, and what an error needs to be of help.
pub(crate) struct Connection {
    api: Operator,
    url: String,
    token_source: String,
    runtime: tokio::runtime::Runtime,
}

impl ConnectionArgs {
    /// Whether something was said of where the server is.
    pub(crate) fn is_given(&self) -> bool {
        let is_url = self
            .operator_url
            .as_ref()
            .is_some_and(|url| !url.is_empty());
        is_url || self.operator_token_file.is_some() || self.data_dir.is_some()
    }

    /// The client alone, and the URL that it calls.
    pub(crate) fn api(&self) -> anyhow::Result<(Operator, String)> {
        let (api, url, _) = self.found()?;
        Ok((api, url))
    }

    pub(crate) fn operator(self) -> anyhow::Result<Connection> {
        let (api, url, token_source) = self.found()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        Ok(Connection {
            api,
            url,
            token_source,
            runtime,
        })
    }

    /// The client, the URL that it calls, and where its token comes from.
    fn found(&self) -> anyhow::Result<(Operator, String, String)> {
        let mut flags = Flags::new();
        if let Some(dir) = &self.data_dir {
            flags.push(("--data-dir", config::setting("data_dir", dir)));
        }
        let file = self.config.file();
        let config = config::load(flags, std::env::vars_os(), &file)?.config;
        let (token, token_source) = token(self.operator_token_file.as_deref(), &config)?;
        let url = self.operator_url.clone().filter(|url| !url.is_empty());
        let url = url.unwrap_or_else(|| run::reachable("http", config.operator_listen));
        let api = Operator::new(&url, token.as_str()).context("--operator-url")?;
        Ok((api, url, token_source))
    }
}

/// The token, and where it came from.
fn token(file: Option<&Path>, config: &Config) -> anyhow::Result<(OperatorToken, String)> {
    if let Some(path) = file {
        let shown = path.display().to_string();
        let token = data_dir::read_token(path).context("--operator-token-file")?;
        let token = token.with_context(|| format!("--operator-token-file: there is no {shown}"))?;
        return Ok((token, shown));
    }
    if let Some(token) = &config.operator_token {
        return Ok((token.clone(), config.sources.operator_token.to_string()));
    }
    let path = data_dir::token_path(&config.data_dir);
    let shown = path.display().to_string();
    let token = data_dir::read_token(&path)?.with_context(|| {
        format!(
            "there is no operator token: {shown} does not exist. Name the server's data directory \
             with --data-dir, or give its token with --operator-token-file or \
             MUSTER_OPERATOR_TOKEN"
        )
    })?;
    Ok((token, shown))
}

impl Connection {
    /// One call, with an error that says what to do.
    pub(crate) fn call<T>(
        &self,
        call: impl AsyncFnOnce(&Operator) -> Result<T, OperatorError>,
    ) -> anyhow::Result<T> {
        self.runtime
            .block_on(call(&self.api))
            .map_err(|error| self.advise(error))
    }

    fn advise(&self, error: OperatorError) -> anyhow::Error {
        let Connection {
            url, token_source, ..
        } = self;
        match error {
            OperatorError::Transport(error @ TransportError::Connect { .. }) => {
                let cause = anyhow!(error).root_cause().to_string();
                if url.to_ascii_lowercase().starts_with("https:") {
                    return anyhow!(
                        "no TLS connection to {url} ({cause}); the operator API is plain HTTP, so \
                         give --operator-url with http://, unless a proxy before it speaks TLS"
                    );
                }
                anyhow!(
                    "no muster server at {url} ({cause}); start one (`muster dev` or `muster \
                     serve`), or say where it is with --operator-url"
                )
            }
            OperatorError::Refused { status: 401, .. } => anyhow!(
                "the server at {url} refuses the operator token from {token_source}; give the \
                 server's own with --operator-token-file (unless it was told another, it is \
                 operator.token in the server's data directory)"
            ),
            OperatorError::NotAnAnswer { .. } => {
                anyhow!(error).context(format!("--operator-url {url}"))
            }
            other => anyhow!(other),
        }
    }
}
