//! Any number of entries, a line each: imported commit by commit while they come, and answered so.
//!
//! While the store commits one part the next one is read and judged, and no more: who does not read the
//! answer, or whose store is slow, is not read from. Nothing runs but what the connection asks for, so
//! whoever goes away ends it, at the latest with the commit that is under way.

mod answer;
mod asked;
mod trace;

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequestParts as _, Request, State},
    http::header::{CONTENT_ENCODING, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use muster_accounts::SdkAppId;
use serde::Deserialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use self::{
    answer::{CommittedLinesBody, ImportAnswerLine, ImportBrokenOffBody, json_line},
    asked::Asked,
    trace::Trace,
};
use super::{body_lines::BodyLines, entry::NewAccountBody, gathered::Gathered, outcome::Batch};
use crate::{
    operator::{
        Parts, Shared,
        body::UnreadBody,
        error::{ApiError, ErrorBody},
        input::{AppNumber, AppPath, Parameters},
    },
    stopping::Stopping,
};

/// How many such imports there are at a time. Each holds two commits at most, about 25 MiB: of each up to 4 MiB
/// of the body with the ends of two pieces, as much again if refused lines have names that long, and 3 MiB
/// that go with 10,000 lines.
pub(in crate::operator) const IMPORTS_MAX: usize = 4;

/// A commit has as many accounts as a hundred calls, and nobody waits for one answer.
const DEADLINES: u32 = 10;

/// Lines that came are committed once no other one has come to its end for so long, ...
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// ... and once they have been gathered for so long.
const GATHERING_MAX: Duration = Duration::from_secs(5);

/// How an import of lines is made.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LineParameters {
    /// Only says what would happen, and writes nothing; each part by what is stored, not by the parts
    /// before it.
    #[serde(default)]
    dry_run: bool,
}

/// Import accounts, a line each
///
/// The body is NDJSON of any length: an account a line. Blank lines are passed over, but counted. Up to
/// 10,000 lines or 4 MiB make one commit, and fewer if no more come for a second; once it is on disk the answer
/// gets a line that accounts for them. A line
/// that is wrong, longer than 64 KiB (code 70402), or whose user was deleted too recently (code 70399)
/// refuses only itself. If the app's edition allows no more accounts (code 70398), nothing of the commit is
/// imported. Of a user named more than once the last good line counts. The last line of the answer has
/// `done`, or `error` if the import broke off: then of the lines behind the last commit that was told of
/// nothing is promised, and they can be sent again. Read the answer while sending, for who does not is not
/// read from. However long the whole
/// takes, a line has to come to its end every `limits.body_timeout_s` (10 s), or the import ends with
/// `body_timed_out`. No webhook is told.
#[utoipa::path(
    post, path = "/muster/v1/apps/{sdkappid}/accounts:import", operation_id = "import_lines",
    tag = "accounts", params(AppNumber, LineParameters),
    request_body(
        content = NewAccountBody, content_type = "application/x-ndjson",
        description = "Such an object a line"
    ),
    responses(
        (
            status = 200, description = "What became of the lines: such an object a line", body = ImportAnswerLine,
            content_type = "application/x-ndjson"
        ),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (
            status = 415, description = "`body_encoded`: the body has a `Content-Encoding`; send the lines as they are",
            body = ErrorBody
        ),
        (
            status = 429, description = "`too_many_imports`: four are under way", body = ErrorBody,
            headers(("Retry-After", description = "In seconds"))
        )
    )
)]
pub(in crate::operator) async fn import(
    State(Shared(shared)): State<Shared>,
    request: Request,
) -> Response {
    match begin(shared, request).await {
        Ok(response) => response,
        Err(error) => UnreadBody::mark(error.into_response()),
    }
}

/// Answers once the first commit is made: what fails before still gets a proper status.
async fn begin(shared: Arc<Parts>, request: Request) -> Result<Response, ApiError> {
    let (mut head, body) = request.into_parts();
    let state = Shared(shared.clone());
    let AppPath(app) = AppPath::from_request_parts(&mut head, &state).await?;
    let Parameters(LineParameters { dry_run }) =
        Parameters::from_request_parts(&mut head, &state).await?;
    let encoding = head.headers.get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::body_encoded());
    }
    shared.existing_app(app).await?;
    let place = shared.line_imports.clone().try_acquire_owned();
    let place = place.map_err(|_| ApiError::too_many_imports(IMPORTS_MAX))?;
    let to = Target {
        app,
        dry_run,
        shared: shared.clone(),
    };
    let asked = Asked::of(&head);
    let trace = Trace::begin(&to, asked.request_id);
    let mut import = LineImport::new(to, body, place, trace);
    let first = match asked.next_of(&mut import).await {
        Step::Failed(error) => return Err(error),
        step => step,
    };
    let lines = stream::unfold(Some((import, Some(first))), move |going_on| {
        let asked = asked.clone();
        async move {
            let (mut import, ready) = going_on?;
            let step = match ready {
                Some(step) => step,
                None => asked.next_of(&mut import).await,
            };
            let (line, is_last) = match step {
                Step::Committed(commit) => (json_line(&commit), false),
                Step::Done => (json_line(&import.trace.total), true),
                Step::Failed(error) => {
                    asked.broken_off(&error);
                    (
                        json_line(&ImportBrokenOffBody::new(&error, &import.trace.total)),
                        true,
                    )
                }
            };
            let going_on = (!is_last).then_some((import, None));
            Some((Ok::<Bytes, Infallible>(line), going_on))
        }
    });
    let content_type = [(CONTENT_TYPE, "application/x-ndjson")];
    Ok((content_type, Body::from_stream(lines)).into_response())
}

/// Where the lines go.
#[derive(Clone)]
struct Target {
    app: SdkAppId,
    dry_run: bool,
    shared: Arc<Parts>,
}

/// An import that is under way.
struct LineImport {
    to: Target,
    lines: BodyLines,
    stopping: Stopping,
    gathering: Gathered,
    /// Waits for the commit before it.
    ready: Option<Ready>,
    committing: Option<Commit>,
    /// No more is read: all was, or this is why not.
    end: Option<Result<(), ApiError>>,
    trace: Trace,
    _place: OwnedSemaphorePermit,
}

type Commit = Pin<Box<dyn Future<Output = Result<CommittedLinesBody, ApiError>> + Send>>;

/// What is to be committed, and what is known already of the answer.
struct Ready {
    batch: Batch,
    answer: CommittedLinesBody,
}

/// What an import has come to.
enum Step {
    Committed(CommittedLinesBody),
    /// All that was sent has been accounted for.
    Done,
    Failed(ApiError),
}

impl LineImport {
    fn new(to: Target, body: Body, place: OwnedSemaphorePermit, trace: Trace) -> Self {
        Self {
            lines: BodyLines::new(body),
            stopping: to.shared.core.stopping.clone(),
            to,
            gathering: Gathered::from(1),
            ready: None,
            committing: None,
            end: None,
            trace,
            _place: place,
        }
    }

    /// Goes on until there is something to tell. Not to be called after the last step.
    async fn next(&mut self) -> Step {
        loop {
            if self.committing.is_none() {
                if let Some(ready) = self.ready.take() {
                    self.committing = Some(Box::pin(commit(self.to.clone(), ready)));
                } else if let Some(end) = self.end.take() {
                    return end.map_or_else(Step::Failed, |()| Step::Done);
                }
            }
            let patience = self.to.shared.body_timeout;
            let has_room = self.ready.is_none() && self.end.is_none();
            tokio::select! {
                biased;
                committed = under_way(&mut self.committing) => {
                    self.committing = None;
                    return match committed {
                        Ok(commit) => {
                            self.trace.total.add(&commit);
                            Step::Committed(commit)
                        }
                        Err(error) => Step::Failed(error),
                    };
                }
                () = self.stopping.wait(), if self.end.is_none() => {
                    self.ready = None;
                    self.end = Some(Err(ApiError::stopping()));
                }
                gathered = gather(&mut self.lines, &mut self.gathering, patience), if has_room => {
                    match gathered {
                        Ok(Some(gathered)) => self.ready = Some(Ready::from(gathered)),
                        Ok(None) => self.end = Some(Ok(())),
                        Err(error) => self.end = Some(Err(error)),
                    }
                }
            }
        }
    }
}

/// Waits for a commit; for ever, if there is none.
async fn under_way(committing: &mut Option<Commit>) -> Result<CommittedLinesBody, ApiError> {
    match committing {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

/// The lines of the next commit; `None` if none are left. What was gathered stays if the caller stops
/// waiting. A line that comes to its end within `patience` is all that keeps an import going.
async fn gather(
    lines: &mut BodyLines,
    gathering: &mut Gathered,
    patience: Duration,
) -> Result<Option<Gathered>, ApiError> {
    let begun = Instant::now();
    let mut last_line = begun;
    loop {
        let before = gathering.count;
        while let Some(line) = lines.take() {
            gathering.add(line);
            if gathering.is_full() {
                return Ok(Some(gathering.take()));
            }
        }
        let now = Instant::now();
        if gathering.count > before {
            last_line = now;
        }
        let end = match gathering.count {
            0 => last_line + patience,
            _ => (last_line + PAUSE_MAX).min(begun + GATHERING_MAX),
        };
        // A piece that is there is taken even if the time is up; so it is looked at between the pieces too.
        let more = if now < end {
            timeout_at(end, lines.more()).await.ok()
        } else {
            None
        };
        match more.transpose()? {
            Some(true) => {}
            Some(false) => return Ok((gathering.count > 0).then(|| gathering.take())),
            None if gathering.count > 0 => return Ok(Some(gathering.take())),
            None => return Err(ApiError::body_timed_out()),
        }
    }
}

/// All that can be done while the store has the commit before.
impl From<Gathered> for Ready {
    fn from(gathered: Gathered) -> Self {
        Self {
            answer: CommittedLinesBody::new(gathered.first, gathered.count, gathered.refused),
            batch: Batch::new(gathered.entries),
        }
    }
}

async fn commit(to: Target, ready: Ready) -> Result<CommittedLinesBody, ApiError> {
    let Ready { batch, mut answer } = ready;
    if !batch.is_empty() {
        let deadline = to.shared.deadline * DEADLINES;
        let imported = batch.carry_out(&to.shared, to.app, to.dry_run, deadline);
        answer.add(imported.await?);
    }
    Ok(answer)
}
