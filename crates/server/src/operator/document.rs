//! The OpenAPI document of this API. It is made of the routes themselves, so that none is without
//! its description, and what holds for all of them is added here, once.

use std::collections::BTreeSet;

use axum::{Extension, http::header::CONTENT_TYPE, response::IntoResponse};
use bytes::Bytes;
use muster_accounts::Edition;
use utoipa::{
    OpenApi as _,
    openapi::{
        ContentBuilder, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder,
        Type,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{apps, error::ErrorBody};

/// The name of the one way to be let in.
const OPERATOR_TOKEN: &str = "operator_token";

/// The document as it is served.
#[derive(Clone)]
pub(super) struct Document(Bytes);

/// What is said of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "muster operator API",
        description = "Apps with their keys, admins and settings; their accounts and sessions; \
            faults and a clock for tests. It has a listener of its own and is none of the account \
            protocol.\n\nTimes are UTC, as in `2026-02-20T08:00:00Z`. Ids that can exceed 2^53 are \
            strings. Unknown fields of a body are refused. Every answer has an `X-Request-Id`, \
            under which the log tells more."
    ),
    servers((url = "/")),
    tags(
        (name = "apps", description = "Apps: made, configured, re-keyed, given admins."),
        (name = "accounts", description = "Accounts: looked at, imported in bulk."),
        (name = "sessions", description = "Who is signed in."),
        (name = "test controls", description = "Faults and the clock. They are there only while \
            the setting `test_controls` is on, as it is in `muster dev`; else they answer 404 with \
            the code `test_controls_off`."),
        (name = "server", description = "The server itself. Open to all who reach the listener."),
    ),
    components(schemas(ErrorBody))
)]
struct Whole;

/// The document of the routes that anyone may use and of those behind the operator token.
pub(super) fn document(open: OpenApi, protected: OpenApi) -> OpenApi {
    let mut document = Whole::openapi();
    document.merge(open);
    document.merge(behind_token(protected));
    for operation in operations(&mut document) {
        if operation.operation_id.as_deref() == Some(apps::ROTATE_KEY)
            && let Some(RefOr::T(body)) = &mut operation.request_body
        {
            // The one body that may be left out; the derivation knows no other way to say so than to
            // allow null, too.
            body.required = Some(Required::False);
        }
        if operation.request_body.is_some() {
            if let Some(RefOr::T(bad)) = operation.responses.responses.get_mut("400") {
                bad.description +=
                    "; `body_cut_off`: the body broke off on its way, so send it again";
            }
            let description = "`body_timed_out`: the body did not arrive in time, so send it again";
            add_error(operation, "408", description);
        }
        for (status, description) in [
            ("500", "`internal`: the server failed"),
            (
                "503",
                "`store_unavailable`: the store failed, did not answer in time, or the server is \
                 stopping; whether a change was made is unknown",
            ),
        ] {
            add_error(operation, status, description);
        }
    }
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    components.add_security_scheme(
        OPERATOR_TOKEN,
        SecurityScheme::Http(
            bearer
                .description(Some(
                    "The operator token: from the file `operator.token` in the data directory, \
                     unless the server was told another.",
                ))
                .build(),
        ),
    );
    document
}

fn behind_token(mut document: OpenApi) -> OpenApi {
    for operation in operations(&mut document) {
        let no_scopes: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(OPERATOR_TOKEN, no_scopes)]);
        let description = "`unauthorized`: the operator token is missing or wrong";
        add_error(operation, "401", description);
    }
    document
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ]
        .into_iter()
        .flatten()
    })
}

fn add_error(operation: &mut Operation, status: &str, description: &str) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody")));
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", content.build())
        .build();
    let responses = &mut operation.responses.responses;
    responses
        .entry(status.to_owned())
        .or_insert_with(|| response.into());
}

/// The fixed parts of all paths, for the log.
pub(super) fn words(document: &OpenApi) -> BTreeSet<String> {
    let parts = document.paths.paths.keys().flat_map(|path| path.split('/'));
    let fixed = parts.filter(|part| !part.starts_with('{'));
    fixed.map(str::to_owned).collect()
}

impl Document {
    pub(super) fn new(document: &OpenApi) -> Self {
        let json = document.to_json().expect("a document is plain data");
        // utoipa 6 spells these formats otherwise than the registry of OpenAPI does. In a text of the
        // document the quotes would be escaped.
        Self(
            json.replace(r#""format":"u-int"#, r#""format":"uint"#)
                .into(),
        )
    }
}

/// This document
///
/// OpenAPI 3.1, for making clients and for reading.
#[utoipa::path(
    get, path = "/muster/v1/openapi.json", operation_id = "openapi", tag = "server",
    responses((status = 200, description = "The document", body = Object))
)]
pub(super) async fn openapi(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], json)
}

/// The names of the editions.
pub(super) fn edition() -> Object {
    words_of(
        Edition::ALL.map(Edition::name),
        "developer",
        "Decides on the account cap, on deletion and on import after deletion.",
    )
}

/// One of these words.
pub(super) fn words_of<const N: usize>(
    words: [&'static str; N],
    example: &str,
    description: &str,
) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words))
        .examples([example])
        .build()
}
