//! Import of any number of accounts, a line each.

use std::{fmt, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::{
    Method, Response,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;

use super::{ErrorObject, Operator, OperatorError, refused};
use crate::TransportError;

/// How long an import of lines may take, from its beginning to the end of the answer. The server ends one
/// in which nothing goes on long before.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Longest line of an answer that is read. The longest that muster gives refuses 10,000 lines of 4 MiB
/// together.
const LINE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// An import of lines that is under way.
pub struct LineImport<'o> {
    operator: &'o Operator,
    response: Response,
    came: BytesMut,
    /// How much of `came` has no line's end in it.
    searched: usize,
    done: bool,
}

impl Operator {
    /// Imports accounts, each a line of JSON: `{"user_id": "alice", "nick": "Alice", "face_url":
    /// "https://…"}`, of which the last two may be left out. With `dry_run` it only says what would happen.
    ///
    /// The server commits up to 10,000 lines at a time; a bad line refuses only itself. This comes back with
    /// the first commit. What breaks off later leaves the commits before it in place, and the same lines
    /// can be sent again.
    ///
    /// All lines are in memory, and the import may take 10 min in all. What is larger than fits into either
    /// goes in several imports.
    pub async fn import_lines(
        &self,
        sdkappid: u32,
        lines: impl Into<Bytes>,
        dry_run: bool,
    ) -> Result<LineImport<'_>, OperatorError> {
        let path = ["apps", &sdkappid.to_string(), "accounts:import"];
        let query = [("dry_run", "true")];
        let url = self.url(&path, if dry_run { &query } else { &[] })?;
        let request = self
            .http
            .request(Method::POST, url)
            .header(AUTHORIZATION, self.bearer.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .timeout(TIMEOUT)
            .body(lines.into());
        let response = self.http.begin(request).await.map_err(in_time)?;
        let status = response.status();
        if !status.is_success() {
            let answer = self.http.read(response).await.map_err(in_time)?;
            return Err(refused(status, &answer));
        }
        Ok(LineImport {
            operator: self,
            response,
            came: BytesMut::new(),
            searched: 0,
            done: false,
        })
    }
}

impl fmt::Debug for LineImport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineImport")
            .field("operator", &self.operator)
            .finish_non_exhaustive()
    }
}

impl LineImport<'_> {
    /// The next lines that were imported together; `None` says that all lines are accounted for, and
    /// stays. Not to be called after an error.
    ///
    /// # Errors
    ///
    /// [`OperatorError::BrokenOff`] if the server ends it early, [`OperatorError::Transport`] if the
    /// connection breaks. Either way the commits before it are in place, and nothing is known of later
    /// lines.
    pub async fn commit(&mut self) -> Result<Option<CommittedLines>, OperatorError> {
        if self.done {
            return Ok(None);
        }
        let line = self.line().await?;
        let line = serde_json::from_slice(&line);
        match line.map_err(|error| self.no_answer(error.to_string()))? {
            Line::Committed(lines) => Ok(Some(lines)),
            Line::BrokenOff { error, lines } => Err(OperatorError::BrokenOff {
                code: error.code,
                message: error.message,
                lines,
            }),
            Line::Done { done: true } => {
                self.done = true;
                Ok(None)
            }
            Line::Done { done: false } => Err(self.no_answer("it is not done".to_owned())),
        }
    }

    async fn line(&mut self) -> Result<BytesMut, OperatorError> {
        loop {
            let unseen = &self.came[self.searched..];
            if let Some(end) = unseen.iter().position(|byte| *byte == b'\n') {
                let line = self.came.split_to(self.searched + end);
                self.came.advance(1);
                self.searched = 0;
                return Ok(line);
            }
            self.searched = self.came.len();
            if self.searched > LINE_LIMIT_BYTES {
                let host = self.operator.http.host().to_owned();
                return Err(TransportError::AnswerTooLong { host }.into());
            }
            let chunk = self.operator.http.chunk(&mut self.response).await;
            match chunk.map_err(in_time)? {
                Some(chunk) => self.came.extend_from_slice(&chunk),
                None => return Err(self.no_answer("it ends before it says so".to_owned())),
            }
        }
    }

    fn no_answer(&self, reason: String) -> OperatorError {
        OperatorError::NotAnAnswer {
            status: self.response.status().as_u16(),
            reason,
        }
    }
}

fn in_time(error: TransportError) -> TransportError {
    error.within(TIMEOUT)
}

/// Lines that were imported together. A line from the first to the last one that is neither counted nor
/// refused is blank.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CommittedLines {
    /// The first of the lines, counted from 1.
    pub first: u64,
    /// The last of the lines.
    pub last: u64,
    /// How many made an account.
    pub created: u64,
    /// How many gave an account new values.
    pub updated: u64,
    /// How many found the account as they would have it.
    pub unchanged: u64,
    /// How many do not count, since a later one of these lines names the same user.
    pub superseded: u64,
    /// Those that were not imported, by line.
    pub refused: Vec<RefusedLine>,
}

/// A line that was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RefusedLine {
    /// Counted from 1.
    pub line: u64,
    /// Whom it names, if that can be told.
    pub user_id: Option<String>,
    /// The code with which the account API refuses it, such as 70402 for a bad
    /// parameter.
    pub code: i64,
    /// Why, for people.
    pub reason: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Committed(CommittedLines),
    BrokenOff { error: ErrorObject, lines: u64 },
    Done { done: bool },
}
