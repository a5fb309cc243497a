//! A list of entries, imported as a whole.

use axum::{Json, extract::State};
use bytestring::ByteString;
use muster_accounts::rules::import::ImportEntry;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{ToSchema, openapi::Object};

use super::{
    entry::{Entry, NewAccountBody, Reason},
    outcome::{Batch, Fate},
};
use crate::operator::{
    Shared,
    body::{BodyObject, Field, WholeBody},
    document,
    error::{ApiError, ErrorBody},
    input::{AppNumber, AppPath},
};

/// The most entries of a request.
const ENTRIES_MAX: usize = 10_000;

/// Accounts to be imported.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operator) struct ImportBody {
    /// 1 to 10000. Of a user who is named more than once the last good entry counts.
    #[schema(value_type = Vec<NewAccountBody>, min_items = 1, max_items = 10_000)]
    accounts: Vec<Value>,
    /// Only says what would happen, and writes nothing.
    #[serde(default)]
    dry_run: bool,
}

impl BodyObject for ImportBody {
    const FIELDS: &'static [Field] = &[
        Field::needed("accounts", "an array"),
        Field::optional("dry_run", "true or false"),
    ];
}

/// What became of each entry of an import.
#[derive(Default, Serialize, ToSchema)]
pub(in crate::operator) struct ImportedBody {
    /// Whether this only is what would happen.
    dry_run: bool,
    /// How many entries made an account.
    #[schema(example = 1)]
    created: usize,
    /// How many gave an account new values.
    updated: usize,
    /// How many found the account as they would have it.
    unchanged: usize,
    /// How many do not count, since a later entry names the same user.
    superseded: usize,
    /// How many were refused.
    refused: usize,
    /// In the order of the request.
    entries: Vec<EntryBody>,
}

/// What became of an entry.
#[derive(Serialize, ToSchema)]
struct EntryBody {
    /// Where it stands in the request, counted from 0.
    position: usize,
    /// Whom it names; `null` if it names nobody.
    #[schema(example = "alice")]
    #[schema(required = true)]
    user_id: Option<String>,
    /// What became of it.
    #[schema(schema_with = result)]
    result: &'static str,
    /// Of a refused entry: the code with which the account protocol refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false, example = 70402)]
    code: Option<u32>,
    /// Of a refused entry: why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reason: Option<String>,
}

fn result() -> Object {
    let words = ["created", "updated", "unchanged", "superseded", "refused"];
    document::words_of(words, "created", "What became of it.")
}

/// Import accounts, with a reason for each that is refused
///
/// An entry that is wrong, or whose user was deleted too recently (code 70399, with the time from
/// which on it will be taken), refuses only itself. If the app's edition allows no more accounts
/// (code 70398), nothing of the request is imported. What is imported is so as a whole. No webhook
/// is told. The listener takes bodies of up to 1 MiB; send more in several requests, or line by line
/// with `import_lines`.
#[utoipa::path(
    post, path = "/muster/v1/apps/{sdkappid}/accounts", operation_id = "import_accounts",
    tag = "accounts", params(AppNumber), request_body = ImportBody,
    responses(
        (status = 200, description = "What became of each entry", body = ImportedBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody),
        (status = 413, description = "`payload_too_large`", body = ErrorBody)
    )
)]
pub(in crate::operator) async fn import(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    body: WholeBody,
) -> Result<Json<ImportedBody>, ApiError> {
    let ImportBody { accounts, dry_run } = body.json()?;
    let count = accounts.len();
    if !(1..=ENTRIES_MAX).contains(&count) {
        return Err(ApiError::invalid_request(format!(
            "accounts has {count} entries; 1 to {ENTRIES_MAX} are allowed."
        )));
    }
    let named = accounts.iter().map(user_id_of).collect();
    let mut good = Vec::with_capacity(count);
    let mut fates = Vec::with_capacity(count);
    for (position, entry) in accounts.iter().enumerate() {
        fates.push(match judge(position, entry) {
            Ok(entry) => {
                good.push(entry);
                // Until the store has said what becomes of it.
                Fate::Unchanged
            }
            Err(reason) => Fate::Refused(reason),
        });
    }
    if good.is_empty() {
        shared.existing_app(sdkappid).await?;
    } else {
        let done = Batch::new(good)
            .carry_out(&shared, sdkappid, dry_run, shared.deadline)
            .await?;
        for one in done {
            fates[one.position] = one.fate;
        }
    }
    Ok(Json(imported_body(dry_run, named, fates)))
}

/// Whom an entry names, right or wrong.
fn user_id_of(entry: &Value) -> Option<String> {
    entry.get("user_id")?.as_str().map(str::to_owned)
}

fn judge(position: usize, entry: &Value) -> Result<ImportEntry, Reason> {
    let entry = Entry::deserialize(entry).map_err(|_| Reason::not_an_object())?;
    entry.judge(position, |text| ByteString::from(&**text))
}

fn imported_body(dry_run: bool, named: Vec<Option<String>>, fates: Vec<Fate>) -> ImportedBody {
    let mut body = ImportedBody {
        dry_run,
        ..ImportedBody::default()
    };
    for (position, (user_id, fate)) in named.into_iter().zip(fates).enumerate() {
        let (count, result, reason) = match fate {
            Fate::Created => (&mut body.created, "created", None),
            Fate::Updated => (&mut body.updated, "updated", None),
            Fate::Unchanged => (&mut body.unchanged, "unchanged", None),
            Fate::Superseded => (&mut body.superseded, "superseded", None),
            Fate::Refused(reason) => (&mut body.refused, "refused", Some(reason)),
        };
        *count += 1;
        let code = reason.as_ref().map(|reason| reason.code.get());
        body.entries.push(EntryBody {
            position,
            user_id,
            result,
            code,
            reason: reason.map(|reason| reason.text),
        });
    }
    body
}
