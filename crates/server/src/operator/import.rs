//! Import in bulk, with a reason for every entry that is refused. Unlike in the account protocol a bad
//! entry refuses only itself.

use std::collections::HashMap;

use axum::{Json, extract::State};
use muster_accounts::{
    FaceUrl, Nick, OpError, SdkAppId, UserId,
    profile::TooLong,
    rules::import::{Barred, ImportEntry, ImportOutcome, ImportRefusal, ImportRequest, Imported},
};
use muster_wire::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{ToSchema, openapi::Object};

use super::{
    Parts, Shared,
    body::{BodyObject, Field, WholeBody},
    document,
    error::{ApiError, ErrorBody, quoted},
    input::{AppNumber, AppPath},
};

/// The most entries of a request.
const ENTRIES_MAX: usize = 10_000;

/// Accounts to be imported.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportBody {
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

/// An account to be made, or to be given new values. It is read by hand, so that one that is wrong
/// refuses only itself.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read by the derivation only")]
struct NewAccountBody {
    /// The team's own name for the user: 1 to 32 bytes of printable ASCII.
    #[schema(min_length = 1, max_length = 32, example = "alice")]
    user_id: String,
    /// Nickname, at most 500 bytes; left out or `null`, the one that is there stays.
    #[schema(example = "Alice")]
    nick: Option<String>,
    /// Avatar, at most 500 bytes; likewise.
    #[schema(example = "https://img.example.com/alice.png")]
    face_url: Option<String>,
}

/// What became of each entry of an import.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct ImportedBody {
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

/// What became of one entry.
enum Fate {
    Created,
    Updated,
    Unchanged,
    Superseded,
    Refused(Reason),
}

/// Why an entry is refused.
struct Reason {
    code: ErrorCode,
    text: String,
}

/// Import accounts, with a reason for each that is refused
///
/// An entry that is wrong, or whose user was deleted too recently (code 70399, with the time from
/// which on it will be taken), refuses only itself. If the app's edition allows no more accounts
/// (code 70398), nothing of the request is imported. What is imported is so as a whole. No webhook
/// is told. The listener takes bodies of up to 1 MiB; send more in several requests.
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
pub(super) async fn import(
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
    let (entries, mut fates) = parse(accounts);
    if entries.is_empty() {
        shared.existing_app(sdkappid).await?;
    } else {
        carry_out(&shared, sdkappid, entries, dry_run, &mut fates).await?;
    }
    Ok(Json(imported_body(dry_run, named, fates)))
}

/// Whom an entry names, right or wrong.
fn user_id_of(entry: &Value) -> Option<String> {
    entry.get("user_id")?.as_str().map(str::to_owned)
}

/// The entries that count, and what became of those that do not.
fn parse(accounts: Vec<Value>) -> (Vec<ImportEntry>, Vec<Fate>) {
    let mut fates = Vec::with_capacity(accounts.len());
    let mut good = Vec::with_capacity(accounts.len());
    let mut last_at = HashMap::with_capacity(accounts.len());
    for (position, entry) in accounts.into_iter().enumerate() {
        match parse_entry(position, entry) {
            Ok(entry) => {
                if let Some(earlier) = last_at.insert(entry.user_id, position) {
                    fates[earlier] = Fate::Superseded;
                }
                good.push(entry);
                // Until the store has said what becomes of it.
                fates.push(Fate::Unchanged);
            }
            Err(reason) => fates.push(Fate::Refused(reason)),
        }
    }
    good.retain(|entry| last_at[&entry.user_id] == entry.position);
    (good, fates)
}

fn parse_entry(position: usize, entry: Value) -> Result<ImportEntry, Reason> {
    let Value::Object(mut fields) = entry else {
        return Err(Reason::bad("The entry is not an object."));
    };
    let user_id = match fields.remove("user_id") {
        Some(Value::String(user_id)) => user_id,
        Some(_) => {
            let code = ErrorCode::AccountNotAString;
            return Err(Reason::new(code, "user_id is not a string."));
        }
        None => return Err(Reason::bad("user_id is missing.")),
    };
    let nick = take_text(&mut fields, "nick")?;
    let face_url = take_text(&mut fields, "face_url")?;
    if let Some(name) = fields.keys().next() {
        let name = quoted(name);
        return Err(Reason::bad(format!("There is no field {name}.")));
    }
    let nick = nick
        .map(|text| Nick::parse(text.into()).map_err(|error| Reason::too_long("nick", error)))
        .transpose()?;
    let face_url = face_url
        .map(|text| {
            FaceUrl::parse(text.into()).map_err(|error| Reason::too_long("face_url", error))
        })
        .transpose()?;
    let user_id = UserId::parse(&user_id)
        .map_err(|error| Reason::bad(format!("user_id cannot be one: {error}.")))?;
    Ok(ImportEntry {
        position,
        user_id,
        nick,
        face_url,
    })
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Reason> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::bad(format!("{name} is not a string."))),
    }
}

impl Reason {
    fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadParameter, text)
    }

    fn too_long(name: &str, TooLong { bytes, limit_bytes }: TooLong) -> Self {
        let text = format!("{name} is {bytes} bytes long, the limit is {limit_bytes}.");
        Self::new(ErrorCode::ValueTooLong, text)
    }

    fn barred(barred: &Barred) -> Self {
        let until = barred.until;
        let text = format!("The user was deleted and cannot be imported again before {until}.");
        Self::new(ErrorCode::Barred, text)
    }
}

/// Imports entries that name each user once, and writes down what became of them.
async fn carry_out(
    shared: &Parts,
    app: SdkAppId,
    entries: Vec<ImportEntry>,
    dry_run: bool,
    fates: &mut [Fate],
) -> Result<(), ApiError> {
    let store = &shared.core.store;
    let places: Vec<_> = entries.iter().map(|entry| entry.position).collect();
    let users: Vec<_> = entries.iter().map(|entry| entry.user_id).collect();
    let request = ImportRequest::new(entries);
    let request = if dry_run { request.dry_run() } else { request };
    let imported = shared.ask(async {
        match store.import(app, request, shared.core.clock.now()).await {
            Ok(outcome) => Ok(Ok(outcome)),
            Err(OpError::Refused(refusal)) => Ok(Err(refusal)),
            Err(OpError::Store(error)) => Err(error),
        }
    });
    let barred = match imported.await? {
        Ok(ImportOutcome { entries, barred }) => {
            for (place, imported) in places.into_iter().zip(entries) {
                fates[place] = match imported {
                    Imported::Created => Fate::Created,
                    Imported::Updated => Fate::Updated,
                    // Those who are barred are written down below.
                    Imported::Unchanged | Imported::Barred => Fate::Unchanged,
                };
            }
            barred
        }
        Err(ImportRefusal::AllBarred(barred)) => barred,
        Err(ImportRefusal::OverCap { cap }) => {
            let exist = shared.ask(store.check(app, &users)).await?;
            for (place, exists) in places.into_iter().zip(exist) {
                let text = if exists {
                    format!(
                        "Left as it is, for nothing of a request is imported that goes beyond the \
                         {cap} accounts of the app's edition."
                    )
                } else {
                    format!(
                        "The app's edition allows {cap} accounts, and the new ones of this request \
                         go beyond that."
                    )
                };
                fates[place] = Fate::Refused(Reason::new(ErrorCode::OverCap, text));
            }
            Vec::new()
        }
    };
    for barred in &barred {
        fates[barred.position] = Fate::Refused(Reason::barred(barred));
    }
    Ok(())
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
