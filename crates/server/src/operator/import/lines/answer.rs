//! The lines of the answer to an import of lines.

use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::operator::{
    error::{ApiError, ErrorDetail},
    import::{
        gathered::RefusedLine,
        outcome::{CarriedOut, Fate},
    },
};

/// A line of the answer.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) enum ImportAnswerLine {
    Committed(CommittedLinesBody),
    Done(ImportDoneBody),
    BrokenOff(ImportBrokenOffBody),
}

/// Lines that were imported together. It accounts for each from the first to the last one: a line that
/// is neither counted nor refused is blank.
#[derive(Serialize, ToSchema)]
pub(super) struct CommittedLinesBody {
    /// The first of the lines, counted from 1.
    #[schema(example = 1)]
    first: u64,
    /// The last of the lines.
    #[schema(example = 10_000)]
    last: u64,
    /// How many made an account.
    #[schema(example = 9998)]
    created: usize,
    /// How many gave an account new values.
    updated: usize,
    /// How many found the account as they would have it.
    unchanged: usize,
    /// How many do not count, since a later one of these lines names the same user.
    superseded: usize,
    /// Those that were not imported, by line.
    refused: Vec<RefusedLineBody>,
}

/// A line that was not imported.
#[derive(Serialize, ToSchema)]
struct RefusedLineBody {
    /// Counted from 1.
    #[schema(example = 17)]
    line: u64,
    /// Whom it names; `null` if that cannot be told.
    #[schema(example = "alice")]
    #[schema(required = true)]
    user_id: Option<String>,
    /// The code with which the account protocol refuses it.
    #[schema(example = 70402)]
    code: u32,
    /// Why, for people.
    reason: String,
}

/// The end: every line of the body was accounted for.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportDoneBody {
    /// How many lines there were, blank ones too.
    pub(super) lines: u64,
    /// How many made an account.
    pub(super) created: u64,
    /// How many gave an account new values.
    pub(super) updated: u64,
    /// How many found the account as they would have it.
    pub(super) unchanged: u64,
    /// How many did not count, since a later line of the same commit names the same user.
    pub(super) superseded: u64,
    /// How many were refused.
    pub(super) refused: u64,
    /// Always `true`.
    done: bool,
}

/// The end of an import that broke off.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportBrokenOffBody {
    error: ErrorDetail,
    /// How many lines were accounted for. What became of later ones is unknown.
    lines: u64,
}

impl CommittedLinesBody {
    pub(super) fn new(first: u64, count: usize, refused: Vec<RefusedLine>) -> Self {
        let mut body = Self {
            first,
            last: first + count as u64 - 1,
            created: 0,
            updated: 0,
            unchanged: 0,
            superseded: 0,
            refused: Vec::with_capacity(refused.len()),
        };
        for line in refused {
            body.refuse(line);
        }
        body
    }

    /// Counts what the store was asked to import.
    pub(super) fn add(&mut self, done: Vec<CarriedOut>) {
        for CarriedOut {
            position,
            user_id,
            fate,
        } in done
        {
            match fate {
                Fate::Created => self.created += 1,
                Fate::Updated => self.updated += 1,
                Fate::Unchanged => self.unchanged += 1,
                Fate::Superseded => self.superseded += 1,
                Fate::Refused(reason) => {
                    let user_id = Some(user_id.as_str().to_owned());
                    self.refuse(RefusedLine {
                        position,
                        user_id,
                        reason,
                    });
                }
            }
        }
        self.refused.sort_unstable_by_key(|refused| refused.line);
    }

    fn refuse(&mut self, line: RefusedLine) {
        self.refused.push(RefusedLineBody {
            line: self.first + line.position as u64,
            user_id: line.user_id,
            code: line.reason.code.get(),
            reason: line.reason.text,
        });
    }
}

impl ImportDoneBody {
    /// Of no line at all.
    pub(super) fn empty() -> Self {
        Self {
            lines: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            superseded: 0,
            refused: 0,
            done: true,
        }
    }

    pub(super) fn add(&mut self, commit: &CommittedLinesBody) {
        self.lines = commit.last;
        self.created += commit.created as u64;
        self.updated += commit.updated as u64;
        self.unchanged += commit.unchanged as u64;
        self.superseded += commit.superseded as u64;
        self.refused += commit.refused.len() as u64;
    }
}

impl ImportBrokenOffBody {
    pub(super) fn new(error: &ApiError, total: &ImportDoneBody) -> Self {
        Self {
            error: error.detail(),
            lines: total.lines,
        }
    }
}

pub(super) fn json_line(body: &impl Serialize) -> Bytes {
    let mut line = serde_json::to_vec(body).expect("an answer is plain data");
    line.push(b'\n');
    line.into()
}
