//! Accounts, for looking at.

use axum::{Json, extract::State};
use muster_accounts::{Account, InternalId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Shared,
    error::{ApiError, ErrorBody},
    input::{AppNumber, AppPath, Parameters, UserName, UserPath},
};

/// The longest page, and the usual one.
const LIMIT_MAX: usize = 10_000;
const LIMIT_DEFAULT: usize = 1000;

/// Which page of accounts.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParameters {
    /// The internal id after which the page begins, from `next_after` of the page before.
    after: Option<String>,
    /// How many accounts, 1 to 10000; 1000 if left out.
    limit: Option<String>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountBody {
    /// The number muster gave it; a string because it exceeds 2^53 (wire §4.2).
    internal_id: String,
    /// The team's own name for the user.
    user_id: String,
    /// Nickname, `""` if none was given.
    nick: String,
    /// Avatar, `""` if none was given.
    face_url: String,
    /// When it was made, in UTC.
    imported_at: String,
    /// When its profile last changed, in UTC.
    changed_at: String,
}

/// Some accounts of an app.
#[derive(Serialize, ToSchema)]
pub(super) struct PageBody {
    /// In order of internal id, which is the order of import.
    accounts: Vec<AccountBody>,
    /// `after` of the next page; `null` on the last.
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
    let limit = parameters
        .limit
        .as_deref()
        .map_or(Ok(LIMIT_DEFAULT), parse_limit)?;
    // One more than shown tells whether there is a next page.
    let mut accounts = shared
        .ask(shared.core.store.page(sdkappid, after, limit + 1))
        .await?;
    let has_next = accounts.len() > limit;
    accounts.truncate(limit);
    let last = accounts.last().filter(|_| has_next);
    let next_after = last.map(|account| account.internal_id.to_string());
    Ok(Json(PageBody {
        accounts: accounts.iter().map(account_body).collect(),
        next_after,
    }))
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

fn parse_after(text: &str) -> Result<InternalId, ApiError> {
    text.parse().ok().and_then(InternalId::new).ok_or_else(|| {
        let first = InternalId::FIRST;
        ApiError::invalid_request(format!(
            "after is not an internal id; those begin at {first}."
        ))
    })
}

fn parse_limit(text: &str) -> Result<usize, ApiError> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        ApiError::invalid_request(format!("limit is not a number from 1 to {LIMIT_MAX}."))
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
    }
}
