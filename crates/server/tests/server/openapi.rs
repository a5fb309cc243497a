//! The OpenAPI document says what the server does: every route of it answers, and every answer of a
//! walk through the whole API has the form that it gives.

use std::collections::BTreeSet;

use muster_accounts::Edition;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::{
    harness::{self, Running, TOKEN},
    operator::assert_error,
    operator_lines::{LINES, head, lines_of, users},
    peer::Peer,
};

/// The walk: expected status, method, path, body. It comes by every operation with success, and by
/// some refusals.
const WALK: &str = r#"
200 GET    /muster/v1/health
200 GET    /muster/v1/ready
200 GET    /metrics
200 GET    /muster/v1/openapi.json
201 POST   /muster/v1/apps {"sdkappid":7,"edition":"pro"}
409 POST   /muster/v1/apps {"sdkappid":7}
400 POST   /muster/v1/apps {}
200 GET    /muster/v1/apps
200 GET    /muster/v1/apps/7
404 GET    /muster/v1/apps/8
400 GET    /muster/v1/apps/x
200 POST   /muster/v1/apps/7/rotate-key
200 POST   /muster/v1/apps/7/rotate-key {"grace_s":60,"secret_key":"0123456789abcdef"}
404 POST   /muster/v1/apps/8/rotate-key
200 PATCH  /muster/v1/apps/7 {"webhook":{"url":"http://127.0.0.1:9/","token":"secret"}}
200 PATCH  /muster/v1/apps/7 {"rate_limits":{"*":null,"kick":3},"allow_list":["::/0"]}
200 PATCH  /muster/v1/apps/7 {"custom_fields":["Vip"],"edition":"trial","disabled":true}
400 PATCH  /muster/v1/apps/7 {"edition":"gold"}
200 PUT    /muster/v1/apps/7/admins/alice
409 DELETE /muster/v1/apps/7/admins/bob
200 DELETE /muster/v1/apps/7/admins/alice
200 GET    /muster/v1/apps/7/accounts?limit=1
400 GET    /muster/v1/apps/7/accounts?limit=0
200 GET    /muster/v1/apps/7/accounts/alice
404 GET    /muster/v1/apps/7/accounts/bob
200 GET    /muster/v1/apps/7/accounts?prefix=al
200 POST   /muster/v1/apps/7/accounts {"accounts":[{"user_id":"zoe"},{"user_id":"josé"},{"user_id":"zoe"}]}
400 POST   /muster/v1/apps/7/accounts {"accounts":[]}
404 POST   /muster/v1/apps/8/accounts {"accounts":[{"user_id":"zoe"}]}
200 POST   /muster/v1/apps/7/accounts:import?dry_run=true {"user_id":"zoe","nick":null}
200 POST   /muster/v1/apps/7/accounts:import {"user_id":"josé"}
404 POST   /muster/v1/apps/8/accounts:import {"user_id":"zoe"}
400 POST   /muster/v1/apps/7/accounts:import?dry_run=1 {"user_id":"zoe"}
200 GET    /muster/v1/apps/7/internal-ids/144115188075855874
404 GET    /muster/v1/apps/7/internal-ids/144115188075855899
200 GET    /muster/v1/apps/7/sessions?user_id=alice&limit=1
404 GET    /muster/v1/apps/8/sessions
404 DELETE /muster/v1/apps/7/sessions/1
201 POST   /muster/v1/faults {"code":70500,"message":"no","for_s":60,"count":2,"probability":0.5}
201 POST   /muster/v1/faults {"sdkappid":7,"command":"kick","cut":true,"latency_ms":1}
400 POST   /muster/v1/faults {}
200 GET    /muster/v1/faults
204 DELETE /muster/v1/faults/2
404 DELETE /muster/v1/faults/2
200 DELETE /muster/v1/faults
200 GET    /muster/v1/backup
200 GET    /muster/v1/clock
200 POST   /muster/v1/clock/advance {"seconds":7776000}
400 POST   /muster/v1/clock/advance {"seconds":0}
"#;

async fn document(server: &Running) -> Value {
    let answer = server
        .operate_with("", "GET", "/muster/v1/openapi.json", "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

/// Every operation of the document: its method in capitals, its path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_ascii_uppercase(), path.as_str(), operation));
        }
    }
    operations
}

/// Whether a path is one of this template.
fn is_of(template: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(part, given)| part.starts_with('{') || part == given)
}

/// Closes every object, so that a field which the document does not name is a mistake.
fn close_objects(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close_objects);
            if object.contains_key("properties") {
                object
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(false));
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(close_objects),
        _ => {}
    }
}

/// Judges by a schema of the document.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::draft202012::new(&whole).unwrap()
}

/// Asserts that a value has the form of a schema of the document.
fn assert_fits(document: &Value, schema: &Value, value: &Value, what: &str) {
    let (mut document, mut schema) = (document.clone(), schema.clone());
    close_objects(&mut document["components"]);
    close_objects(&mut schema);
    let validator = validator(&document, &schema);
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value}");
}

#[tokio::test]
async fn every_answer_fits_its_description() {
    let server = harness::start().await;
    let document = document(&server).await;
    let mut succeeded = BTreeSet::new();
    for step in WALK.trim().lines() {
        let (status, rest) = step.split_once(' ').unwrap();
        let (method, rest) = rest.split_once(' ').unwrap();
        let rest = rest.trim();
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let (_, template, operation) = operations(&document)
            .into_iter()
            .find(|(it, template, _)| it == method && is_of(template, path))
            .unwrap_or_else(|| panic!("no operation for {step}"));
        let answer = server.operate(method, path, body).await;
        assert_eq!(answer.status.to_string(), status, "{step}: {answer:?}");
        let described = &operation["responses"][status];
        assert!(described.is_object(), "{step}: no such status described");
        let by_line = &described["content"]["application/x-ndjson"]["schema"];
        match &described["content"]["application/json"]["schema"] {
            Value::Null if by_line.is_object() => {
                for line in lines_of(&answer.body) {
                    assert_fits(&document, by_line, &line, step);
                }
            }
            Value::Null if answer.status == 204 => assert_eq!(answer.text(), "", "{step}"),
            Value::Null => {
                let is_no_json = ["/metrics", "/muster/v1/backup"].contains(&path);
                assert!(is_no_json, "{step}: no form described");
            }
            schema => assert_fits(&document, schema, &answer.json(), step),
        }
        if answer.status < 300 {
            succeeded.insert((method.to_owned(), template.to_owned()));
            if !body.is_empty() {
                let (_, taken) = operation["requestBody"]["content"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .next()
                    .unwrap();
                let taken = &taken["schema"];
                let body = serde_json::from_str(body).unwrap();
                assert_fits(&document, taken, &body, step);
            }
        }
    }
    // There is no session to end without a client that holds one; `operator::sessions` has that test.
    succeeded.insert((
        "DELETE".to_owned(),
        "/muster/v1/apps/{sdkappid}/sessions/{session_id}".to_owned(),
    ));
    for (method, path, _) in operations(&document) {
        let done = succeeded.contains(&(method.clone(), path.to_owned()));
        assert!(done, "the walk does not come by {method} {path}");
    }
}

/// The last line of an import that breaks off is the one answer that no walk comes by.
#[tokio::test]
async fn an_import_that_breaks_off_fits_its_description() {
    let server = harness::start().await;
    let document = document(&server).await;
    let body = users("u", 0..10_000);
    let mut peer = Peer::connect(server.operator).await;
    peer.send(head(LINES, body.len() + 1)).await;
    peer.send(body).await;
    peer.receives(b"created").await;
    peer.stream.shutdown().await.unwrap();
    let lines = lines_of(&peer.answer().await.body);
    assert!(lines[1]["error"].is_object(), "{lines:?}");
    let import = &document["paths"]["/muster/v1/apps/{sdkappid}/accounts:import"]["post"];
    let line = &import["responses"]["200"]["content"]["application/x-ndjson"]["schema"];
    for answer in lines {
        assert_fits(&document, line, &answer, "broken off");
    }
}

#[tokio::test]
async fn all_but_the_open_routes_need_the_token() {
    let server = harness::start().await;
    let document = document(&server).await;
    assert_eq!(
        document["components"]["securitySchemes"]["operator_token"]["scheme"],
        "bearer"
    );
    let open = [
        "/metrics",
        "/muster/v1/health",
        "/muster/v1/openapi.json",
        "/muster/v1/ready",
    ];
    for (method, path, operation) in operations(&document) {
        let target = path
            .replace("{sdkappid}", "1400000000")
            .replace("{user_id}", "alice")
            .replace("{internal_id}", "144115188075855873")
            .replace("{session_id}", "1")
            .replace("{id}", "1");
        let answer = server.operate_with("", &method, &target, "").await;
        if open.contains(&path) {
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(operation["security"], Value::Null, "{path}");
            assert_eq!(operation["responses"]["401"], Value::Null, "{path}");
        } else {
            assert_error(&answer, 401, "unauthorized");
            assert_eq!(operation["security"], json!([{"operator_token": []}]));
            let error = &operation["responses"]["401"]["content"]["application/json"]["schema"];
            assert_fits(&document, error, &answer.json(), path);
        }
    }
}

#[tokio::test]
async fn it_is_fit_to_make_clients_of() {
    let server = harness::start().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "0.1.0");
    assert!(!document.to_string().contains(TOKEN));
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{what}: there is another {id}");
        assert!(
            !operation["summary"].as_str().unwrap_or("").is_empty(),
            "{what}"
        );
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(tag.as_str().unwrap()), "{what}: {tag}");
        }
        let parameters = operation["parameters"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = part.strip_suffix('}').unwrap();
            assert!(
                parameters
                    .iter()
                    .any(|it| it["name"] == name && it["in"] == "path"),
                "{what}: {name}"
            );
        }
        for error in ["500", "503"] {
            assert!(operation["responses"][error].is_object(), "{what}");
        }
        let responses = &operation["responses"];
        let takes_body = operation["requestBody"].is_object();
        assert_eq!(responses["408"].is_object(), takes_body, "{what}");
        let bad = responses["400"]["description"].as_str().unwrap_or_default();
        assert_eq!(bad.contains("`body_cut_off`"), takes_body, "{what}");
    }
    let rotate = &document["paths"]["/muster/v1/apps/{sdkappid}/rotate-key"]["post"];
    assert_eq!(rotate["requestBody"]["required"], false);
    let number = &document["components"]["schemas"]["AppBody"]["properties"]["sdkappid"];
    assert_eq!(number["format"], "uint32");
    let editions = &document["components"]["schemas"]["AppBody"]["properties"]["edition"]["enum"];
    assert_eq!(*editions, json!(Edition::ALL.map(Edition::name)));
}

/// The examples are what a reader copies.
#[tokio::test]
async fn the_examples_fit_their_schemas() {
    let server = harness::start().await;
    let document = document(&server).await;
    let mut examples = 0;
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        for (property, schema) in properties {
            let single = schema.get("example").into_iter();
            let listed = schema["examples"].as_array().into_iter().flatten();
            for example in single.chain(listed) {
                examples += 1;
                assert_fits(&document, schema, example, &format!("{name}.{property}"));
            }
        }
    }
    assert!(examples > 10, "{examples}");
    let mut of_parameters = 0;
    for (method, path, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if let Some(example) = parameter.get("example") {
                of_parameters += 1;
                let what = format!("{method} {path} {}", parameter["name"]);
                assert_fits(&document, &parameter["schema"], example, &what);
            }
        }
    }
    assert!(of_parameters > 10, "{of_parameters}");
}

/// The operations with a body: the schema of the body, and the path with its parameters filled in.
fn with_bodies(document: &Value) -> Vec<(String, String, &Value)> {
    let taken = operations(document).into_iter().map(|(method, path, it)| {
        let schema = &it["requestBody"]["content"]["application/json"]["schema"];
        (method, path.replace("{sdkappid}", "1400000000"), schema)
    });
    taken.filter(|(_, _, schema)| !schema.is_null()).collect()
}

/// The schema itself, where another stands for it.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// What the document says of the fields of bodies, the refusals of bodies say as well.
#[tokio::test]
async fn a_body_is_refused_by_the_name_of_its_field() {
    let server = harness::start().await;
    let document = document(&server).await;
    let bodies = with_bodies(&document);
    assert_eq!(bodies.len(), 6);
    for (method, path, schema) in bodies {
        let schema = resolved(&document, schema);
        let refused = async |body: Value| {
            let answer = server.operate(&method, &path, &body.to_string()).await;
            assert_error(&answer, 400, "invalid_request");
            let message = &answer.json()["error"]["message"];
            message.as_str().unwrap().to_owned()
        };
        let properties = schema["properties"].as_object().unwrap();
        let unknown = refused(json!({"editon": 1})).await;
        let taken = unknown
            .strip_prefix("There is no field \"editon\"; the body takes ")
            .and_then(|rest| rest.strip_suffix('.'))
            .unwrap_or_else(|| panic!("{method} {path}: {unknown}"));
        let taken: BTreeSet<_> = taken.split(", ").collect();
        let described: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(taken, described, "{method} {path}");
        for (name, schema) in properties {
            let validator = validator(&document, schema);
            let mut tried = 0;
            for wrong in [json!(null), json!(true), json!({"x": {}})] {
                if validator.is_valid(&wrong) {
                    continue;
                }
                tried += 1;
                let message = refused(json!({name: wrong})).await;
                let expected = format!("The field {name} must be ");
                assert!(message.starts_with(&expected), "{wrong}: {message}");
            }
            assert!(tried > 0, "{name}");
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            let message = refused(json!({})).await;
            let expected = format!("The field {name} is missing; it must be ");
            assert!(message.starts_with(&expected), "{message}");
        }
    }
}

/// The bounds of a body are the same in the document and in the server.
#[tokio::test]
async fn the_document_refuses_what_the_server_refuses() {
    let server = harness::start().await;
    let document = document(&server).await;
    let rotate = "/muster/v1/apps/1400000000/rotate-key";
    let this_app = "/muster/v1/apps/1400000000";
    let accounts = "/muster/v1/apps/1400000000/accounts";
    let long = |length: usize| "x".repeat(length);
    let url = |length: usize| {
        let start = "http://127.0.0.1/";
        format!("{start}{}", long(length - start.len()))
    };
    for (method, path, body, fits) in [
        (
            "POST",
            "/muster/v1/apps",
            json!({"sdkappid": 1, "secret_key": long(15)}),
            false,
        ),
        (
            "POST",
            "/muster/v1/apps",
            json!({"sdkappid": 1, "secret_key": long(16)}),
            true,
        ),
        (
            "POST",
            "/muster/v1/apps",
            json!({"sdkappid": 2, "secret_key": long(256)}),
            true,
        ),
        (
            "POST",
            "/muster/v1/apps",
            json!({"sdkappid": 3, "secret_key": long(257)}),
            false,
        ),
        ("POST", rotate, json!({"secret_key": long(15)}), false),
        ("POST", rotate, json!({"secret_key": long(16)}), true),
        ("POST", rotate, json!({"secret_key": long(256)}), true),
        ("POST", rotate, json!({"secret_key": long(257)}), false),
        ("PATCH", this_app, json!({"webhook": {"url": ""}}), false),
        (
            "PATCH",
            this_app,
            json!({"webhook": {"url": url(2048)}}),
            true,
        ),
        (
            "PATCH",
            this_app,
            json!({"webhook": {"url": url(2049)}}),
            false,
        ),
        ("PATCH", this_app, json!({"webhook": {"token": ""}}), false),
        ("PATCH", this_app, json!({"webhook": {"token": "x"}}), true),
        (
            "PATCH",
            this_app,
            json!({"webhook": {"token": long(256)}}),
            true,
        ),
        (
            "PATCH",
            this_app,
            json!({"webhook": {"token": long(257)}}),
            false,
        ),
        ("PATCH", this_app, json!({"webhook": {"token": null}}), true),
        (
            "POST",
            accounts,
            json!({"accounts": [{"user_id": "zoe"}]}),
            true,
        ),
        (
            "POST",
            accounts,
            json!({"accounts": [{"user_id": "zoe", "nik": "Zoe"}]}),
            false,
        ),
        ("POST", "/muster/v1/faults", json!({"cut": null}), false),
        ("POST", "/muster/v1/faults", json!({"cut": true}), true),
    ] {
        let bodies = with_bodies(&document);
        let (_, _, schema) = bodies
            .iter()
            .find(|(it, template, _)| it == method && template == path)
            .unwrap();
        let answer = server.operate(method, path, &body.to_string()).await;
        // An entry of an import refuses only itself.
        let taken = answer.status < 300 && answer.json()["refused"].as_u64().unwrap_or(0) == 0;
        assert_eq!(taken, fits, "{body}: {answer:?}");
        assert_eq!(validator(&document, schema).is_valid(&body), fits, "{body}");
    }
    let command = |body: &str| {
        let property = &document["components"]["schemas"][body]["properties"]["command"];
        property["enum"].as_array().unwrap().clone()
    };
    let mut shown = command("NewFaultBody");
    shown.push(Value::Null);
    assert_eq!(command("FaultBody"), shown);
}
