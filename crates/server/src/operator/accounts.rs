//! Accounts, for looking at.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use muster_accounts::{Account, InternalId, Profile, SdkAppId, UserId};
use muster_wire::{TagValue, further_fields};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Parts, Shared,
    error::{ApiError, ErrorBody},
    input::{
        AppNumber, AppPath, Parameters, PathPair, UserName, UserPath, parse_limit, parse_number,
    },
};

/// How many accounts a search looks at in one request, and how many at a time.
const SEARCH_MAX: usize = 100_000;
const SEARCH_STEP: usize = 10_000;

/// How long a page gets as JSON: clients stop reading at 64 MiB.
const PAGE_LIMIT_BYTES: usize = 48 * 1024 * 1024;

/// Which page of accounts.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParameters {
    /// The internal id after which the page begins, from `next_after` of the page before.
    #[param(example = "144115188075855873")]
    after: Option<String>,
    /// How many accounts, 1 to 10000; 1000 if left out. A page ends before it would be longer than
    /// 48 MiB.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 10_000, example = 100)]
    limit: Option<String>,
    /// Only accounts whose user id begins with this. One request looks at 100,000 accounts at most,
    /// so a page may be short, even empty, while `next_after` says where to go on.
    prefix: Option<String>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountBody {
    /// The number muster gave it; a string because it exceeds 2^53.
    #[schema(example = "144115188075855873")]
    internal_id: String,
    /// The team's own name for the user.
    #[schema(example = "alice")]
    user_id: String,
    /// Nickname, `""` if none was given.
    nick: String,
    /// Avatar, `""` if none was given.
    face_url: String,
    /// When it was made, in UTC.
    #[schema(example = "2026-02-20T08:00:00Z")]
    imported_at: String,
    /// When its profile last changed, in UTC.
    #[schema(example = "2026-02-20T08:00:00Z")]
    changed_at: String,
    /// When the user was last kicked, in UTC: UserSigs of that second or before are invalid. `null`
    /// is never.
    #[schema(example = "2026-02-20T08:00:00Z")]
    #[schema(required = true)]
    kicked_at: Option<String>,
    /// The other fields of the profile that are set, by their Tags; also custom ones that are not
    /// declared any more.
    #[schema(example = json!({"Tag_Profile_IM_Level": 3, "Tag_Profile_Custom_Vip": "gold"}))]
    profile: BTreeMap<String, FieldBody>,
}

/// The value of a profile's field.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum FieldBody {
    /// A text, or a word of the account protocol.
    Text(String),
    /// A number.
    Number(u32),
}

impl From<TagValue<'_>> for FieldBody {
    fn from(value: TagValue<'_>) -> Self {
        match value {
            TagValue::Text(text) => Self::Text(text.to_owned()),
            TagValue::Number(number) => Self::Number(number),
        }
    }
}

/// Describes the second part of the path to an internal id.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "read by the derivation only")]
pub(super) struct InternalNumber {
    /// The number that muster gave to the account.
    #[param(example = "144115188075855873")]
    internal_id: String,
}

/// Some accounts of an app.
#[derive(Serialize, ToSchema)]
pub(super) struct PageBody {
    /// In order of internal id, which is the order of import.
    accounts: Vec<AccountBody>,
    /// `after` of the next page; `null` on the last.
    #[schema(required = true)]
    next_after: Option<String>,
}

/// List an app's accounts, page by page
#[utoipa::path(
    get, path = "/muster/v1/apps/{sdkappid}/accounts", operation_id = "accounts",
    tag = "accounts", params(AppNumber, PageParameters),
    responses(
        (status = 200, description = "Some accounts", body = PageBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`", body = ErrorBody)
    )
)]
pub(super) async fn page(
    State(Shared(shared)): State<Shared>,
    AppPath(sdkappid): AppPath,
    Parameters(parameters): Parameters<PageParameters>,
) -> Result<Json<PageBody>, ApiError> {
    let after = parameters.after.as_deref().map(parse_after).transpose()?;
    let limit = parse_limit(parameters.limit.as_deref())?;
    let prefix = parameters.prefix.unwrap_or_default();
    check_prefix(&prefix)?;
    let page = collect(&shared, sdkappid, &prefix, after, limit).await?;
    Ok(Json(page))
}

/// A page of those accounts after `after` whose user id begins with `prefix`.
async fn collect(
    shared: &Parts,
    app: SdkAppId,
    prefix: &str,
    mut after: Option<InternalId>,
    limit: usize,
) -> Result<PageBody, ApiError> {
    // One more than shown tells whether there is a next page.
    let step = if prefix.is_empty() {
        limit + 1
    } else {
        SEARCH_STEP
    };
    let mut page = Page {
        accounts: Vec::new(),
        bytes_left: PAGE_LIMIT_BYTES,
    };
    let mut looked_at = 0;
    while looked_at < SEARCH_MAX {
        let found = shared.ask(shared.core.store.page(app, after, step)).await?;
        let is_last = found.len() < step;
        looked_at += found.len();
        for account in found {
            let matches = account.user_id.as_str().starts_with(prefix);
            if page.accounts.len() == limit || (matches && !page.has_room_for(&account)) {
                return Ok(page.up_to(after));
            }
            after = Some(account.internal_id);
            if matches {
                page.push(&account);
            }
        }
        if is_last {
            return Ok(page.up_to(None));
        }
    }
    Ok(page.up_to(after))
}

/// A page that is filled.
struct Page {
    accounts: Vec<AccountBody>,
    bytes_left: usize,
}

impl Page {
    /// The first account has room in any case.
    fn has_room_for(&self, account: &Account) -> bool {
        self.accounts.is_empty() || json_bytes(account) <= self.bytes_left
    }

    fn push(&mut self, account: &Account) {
        self.bytes_left = self.bytes_left.saturating_sub(json_bytes(account));
        self.accounts.push(account_body(account));
    }

    fn up_to(self, next_after: Option<InternalId>) -> PageBody {
        PageBody {
            accounts: self.accounts,
            next_after: next_after.map(|id| id.to_string()),
        }
    }
}

/// How long an account can be as JSON, at most.
fn json_bytes(account: &Account) -> usize {
    // An escaped byte is six.
    const ESCAPED: usize = 6;
    const FIXED_BYTES: usize = 400;
    const TAG_BYTES: usize = 40;
    let Profile {
        nick,
        face_url,
        more,
    } = &account.profile;
    let mut text_bytes = account.user_id.as_bytes().len();
    text_bytes += nick.as_str().len() + face_url.as_str().len();
    let mut fields = 0;
    if more.is_some() {
        for (_, value) in further_fields(&account.profile) {
            fields += 1;
            text_bytes += match value {
                TagValue::Text(text) => text.len(),
                TagValue::Number(_) => 10,
            };
        }
    }
    FIXED_BYTES + ESCAPED * text_bytes + TAG_BYTES * fields
}

/// No user id begins with more bytes than one has, or with others.
fn check_prefix(prefix: &str) -> Result<(), ApiError> {
    if prefix.is_empty() {
        return Ok(());
    }
    UserId::parse(prefix).map(|_| ()).map_err(|error| {
        ApiError::invalid_request(format!("prefix is the beginning of no user id: {error}."))
    })
}

/// Show a user's account
#[utoipa::path(
    get, path = "/muster/v1/apps/{sdkappid}/accounts/{user_id}", operation_id = "account",
    tag = "accounts", params(AppNumber, UserName),
    responses(
        (status = 200, description = "The account", body = AccountBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`, or `account_not_found`", body = ErrorBody)
    )
)]
pub(super) async fn show(
    State(Shared(shared)): State<Shared>,
    UserPath(sdkappid, user_id): UserPath,
) -> Result<Json<AccountBody>, ApiError> {
    let found = shared
        .ask(shared.core.store.accounts(sdkappid, &[user_id]))
        .await?;
    let account = found.first().and_then(Option::as_ref);
    let account = account.ok_or_else(|| ApiError::account_not_found(sdkappid, &user_id))?;
    Ok(Json(account_body(account)))
}

/// Show the account of an internal id
#[utoipa::path(
    get, path = "/muster/v1/apps/{sdkappid}/internal-ids/{internal_id}",
    operation_id = "account_by_internal_id", tag = "accounts",
    params(AppNumber, InternalNumber),
    responses(
        (status = 200, description = "The account", body = AccountBody),
        (status = 400, description = "`invalid_request`", body = ErrorBody),
        (status = 404, description = "`app_not_found`, or `account_not_found`", body = ErrorBody)
    )
)]
pub(super) async fn show_by_internal_id(
    State(Shared(shared)): State<Shared>,
    PathPair(sdkappid, internal_id): PathPair,
) -> Result<Json<AccountBody>, ApiError> {
    let id = parse_internal_id("The internal id in the path", &internal_id)?;
    let before = InternalId::new(id.get() - 1);
    let page = shared
        .ask(shared.core.store.page(sdkappid, before, 1))
        .await?;
    let account = page.first().filter(|account| account.internal_id == id);
    let account = account.ok_or_else(|| ApiError::no_such_internal_id(sdkappid, id))?;
    Ok(Json(account_body(account)))
}

fn parse_after(text: &str) -> Result<InternalId, ApiError> {
    parse_internal_id("after", text)
}

fn parse_internal_id(what: &str, text: &str) -> Result<InternalId, ApiError> {
    let id = parse_number(text).and_then(InternalId::new);
    id.ok_or_else(|| {
        let first = InternalId::FIRST;
        ApiError::invalid_request(format!(
            "{what} is not an internal id; those begin at {first}."
        ))
    })
}

fn account_body(account: &Account) -> AccountBody {
    AccountBody {
        internal_id: account.internal_id.to_string(),
        user_id: account.user_id.to_string(),
        nick: account.profile.nick.as_str().to_owned(),
        face_url: account.profile.face_url.as_str().to_owned(),
        imported_at: account.imported_at.to_string(),
        changed_at: account.changed_at.to_string(),
        kicked_at: account.kicked_at.map(|at| at.to_string()),
        profile: further_fields(&account.profile)
            .into_iter()
            .map(|(tag, value)| (tag.into_owned(), value.into()))
            .collect(),
    }
}
