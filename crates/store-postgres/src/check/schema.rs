//! The schema: whether it is there, as the migrations make it, and what the user may do in it.

use std::collections::HashMap;

use tokio_postgres::{
    Client, Error,
    types::{ToSql, Type},
};

use super::Finding;
use crate::{
    apps::{self, Revised},
    schema::VERSION,
};

/// A table as the migrations leave it.
struct Table {
    name: &'static str,
    /// With its type, and `!` if it is never NULL.
    columns: &'static [(&'static str, &'static str)],
    /// As `pg_get_indexdef` shows them, from the columns on, and whether they are to be unique.
    indexes: &'static [&'static str],
    /// What muster needs to be allowed.
    rights: &'static [&'static str],
}

/// Of each version, the tables that it has beside those before it.
const TABLES: [&[Table]; VERSION as usize] = [FIRST, SECOND];

const FIRST: &[Table] = &[
    Table {
        name: "account",
        columns: &[
            ("sdkappid", "bigint!"),
            ("user_id", "text!"),
            ("internal_id", "bigint!"),
            ("revision", "bigint!"),
            ("nick", "text!"),
            ("face_url", "text!"),
            ("more", "text"),
            ("imported_at", "bigint!"),
            ("changed_at", "bigint!"),
            ("kicked_at", "bigint"),
            ("deleted_at", "bigint"),
        ],
        indexes: &[
            "UNIQUE (sdkappid, user_id)",
            "(sdkappid, internal_id) WHERE (deleted_at IS NULL)",
        ],
        rights: &["SELECT", "INSERT", "UPDATE"],
    },
    Table {
        name: "app",
        columns: &[
            ("sdkappid", "bigint!"),
            ("revision", "bigint!"),
            ("version", "smallint!"),
            ("record", "text!"),
        ],
        indexes: &["UNIQUE (sdkappid)"],
        rights: &["SELECT", "INSERT", "UPDATE"],
    },
    Table {
        name: "counter",
        columns: &[("name", "text!"), ("number", "bigint!")],
        indexes: &["UNIQUE (name)"],
        rights: &["SELECT", "UPDATE"],
    },
    Table {
        name: "schema_version",
        columns: &[("only_one", "boolean!"), ("version", "integer!")],
        indexes: &["UNIQUE (only_one)"],
        rights: &["SELECT", "UPDATE"],
    },
];

const SECOND: &[Table] = &[
    Table {
        name: "node",
        columns: &[
            ("node", "bigint!"),
            ("tag", "smallint!"),
            ("seen_at", "timestamp with time zone!"),
            ("note", "text!"),
            ("note_revision", "bigint!"),
        ],
        indexes: &["UNIQUE (node)", "UNIQUE (tag)"],
        rights: SHARED,
    },
    Table {
        name: "session",
        columns: &[
            ("sdkappid", "bigint!"),
            ("user_id", "text!"),
            ("session_id", "bigint!"),
            ("node", "bigint!"),
            ("platform", "text!"),
            ("source", "text!"),
            ("since", "bigint!"),
            ("online", "boolean!"),
            ("ended", "text"),
        ],
        indexes: &[
            "UNIQUE (sdkappid, user_id, session_id)",
            "(sdkappid, session_id)",
            "(node) WHERE (ended IS NOT NULL)",
        ],
        rights: SHARED,
    },
    Table {
        name: "rate",
        columns: &[
            ("sdkappid", "bigint!"),
            ("command", "text!"),
            ("second", "bigint!"),
            ("calls", "bigint!"),
        ],
        indexes: &["UNIQUE (sdkappid, command)"],
        rights: &["SELECT", "INSERT", "UPDATE"],
    },
];

/// What nodes share comes and goes with them.
const SHARED: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The version if the user can see it, whether there is a schema, and what the user may make.
const PLACE: &str = "SELECT to_regclass('muster.schema_version') IS NOT NULL,
    to_regnamespace('muster') IS NOT NULL,
    has_database_privilege(current_database(), 'CREATE'),
    CASE WHEN to_regnamespace('muster') IS NULL THEN false
        ELSE has_schema_privilege('muster', 'USAGE') END,
    CASE WHEN to_regnamespace('muster') IS NULL THEN false
        ELSE has_schema_privilege('muster', 'CREATE') END,
    current_user::text";

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text,
        format_type(a.atttypid, NULL) || CASE WHEN a.attnotnull THEN '!' ELSE '' END
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'muster'::regnamespace AND c.relkind IN ('r', 'p')
        AND a.attnum > 0 AND NOT a.attisdropped";

/// Those only that are whole.
const INDEXES: &str = "SELECT c.relname::text, pg_get_indexdef(i.indexrelid), i.indisunique
    FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid
    WHERE c.relnamespace = 'muster'::regnamespace AND i.indisvalid";

const MISSING_RIGHTS: &str =
    "SELECT needed.name || ' (' || string_agg(needed.privilege, ', ') || ')'
    FROM unnest($1::text[], $2::text[]) AS needed (name, privilege)
    JOIN pg_class c ON c.relname = needed.name AND c.relnamespace = 'muster'::regnamespace
    WHERE NOT has_table_privilege(c.oid, needed.privilege)
    GROUP BY needed.name ORDER BY needed.name";

const COUNTERS: &str = "SELECT name, number FROM muster.counter";

/// By the index for paging.
const LAST_ID: &str = "SELECT max(last) FROM muster.app, LATERAL (
        SELECT max(internal_id) AS last FROM muster.account
        WHERE account.sdkappid = app.sdkappid AND deleted_at IS NULL
    ) of_app";

fn tables_of(version: i32) -> impl Iterator<Item = &'static Table> {
    let versions = usize::try_from(version).unwrap_or(0);
    TABLES.iter().take(versions).copied().flatten()
}

pub(super) async fn look(client: &Client, findings: &mut Vec<Finding>) {
    let version = match schema(client).await {
        Ok(Ok((finding, version))) => {
            findings.push(finding);
            version
        }
        Ok(Err(finding)) => {
            findings.push(finding);
            return;
        }
        Err(error) => {
            findings.push(Finding::unknown("schema", &error));
            return;
        }
    };
    let found = tables(client, version).await;
    findings.push(found.unwrap_or_else(|error| Finding::unknown("tables", &error)));
    let found = rights(client, version).await;
    findings.push(found.unwrap_or_else(|error| Finding::unknown("rights", &error)));
    let found = records(client).await;
    findings.push(found.unwrap_or_else(|error| Finding::unknown("records", &error)));
}

/// What version is there, or the last that can be said.
async fn schema(client: &Client) -> Result<Result<(Finding, i32), Finding>, Error> {
    let subject = "schema";
    let row = client.query_typed_one(PLACE, &[]).await?;
    let (has_version, has_schema): (bool, bool) = (row.get(0), row.get(1));
    let (may_make_schema, may_use, may_make_tables): (bool, bool, bool) =
        (row.get(2), row.get(3), row.get(4));
    let user: String = row.get(5);
    if has_schema && !may_use {
        return Ok(Err(Finding::wrong(
            subject,
            format!("{user} may not use the schema muster, which is there"),
            format!("GRANT USAGE ON SCHEMA muster TO {user}"),
        )));
    }
    if !has_version {
        // What makes it says CREATE SCHEMA IF NOT EXISTS, which asks for the right to either way.
        return Ok(Err(
            if may_make_schema && (may_make_tables || !has_schema) {
                Finding::ok(subject, "there is none; it will be made at the first start")
            } else {
                Finding::wrong(
                    subject,
                    format!("there is none, and {user} may not make it"),
                    format!("GRANT CREATE ON DATABASE … TO {user}, for the first start at least"),
                )
            },
        ));
    }
    let row = client
        .query_typed_one("SELECT version FROM muster.schema_version", &[])
        .await?;
    let version: i32 = row.get(0);
    if version > VERSION {
        return Ok(Err(Finding::wrong(
            subject,
            format!(
                "it has version {version}, made by a newer muster; this one knows up to {VERSION}"
            ),
            "use the newer one",
        )));
    }
    if version == VERSION {
        return Ok(Ok((
            Finding::ok(subject, format!("it has version {version}")),
            version,
        )));
    }
    let text = format!("it has version {version}; the next start brings it to {VERSION}");
    let finding = if may_make_tables {
        Finding::ok(subject, text)
    } else {
        Finding::wrong(
            subject,
            format!("{text}, for which {user} may not make tables in it"),
            format!("GRANT CREATE ON SCHEMA muster TO {user}"),
        )
    };
    Ok(Ok((finding, version)))
}

async fn tables(client: &Client, version: i32) -> Result<Finding, Error> {
    let mut columns: HashMap<(String, String), String> = HashMap::new();
    for row in client.query_typed(COLUMNS, &[]).await? {
        columns.insert((row.get(0), row.get(1)), row.get(2));
    }
    let mut indexes: HashMap<String, Vec<(String, bool)>> = HashMap::new();
    for row in client.query_typed(INDEXES, &[]).await? {
        let definition: String = row.get(1);
        let from = definition.find('(').unwrap_or(0);
        indexes
            .entry(row.get(0))
            .or_default()
            .push((definition[from..].to_owned(), row.get(2)));
    }
    let mut differences = Vec::new();
    for table in tables_of(version) {
        let name = table.name;
        for (column, expected) in table.columns {
            let found = columns.get(&(name.to_owned(), (*column).to_owned()));
            match found {
                None => differences.push(format!("{name}.{column} is missing")),
                Some(found) if found != expected => {
                    let [found, expected] =
                        [found, *expected].map(|of| of.replace('!', " NOT NULL"));
                    differences.push(format!("{name}.{column} is {found} in place of {expected}"));
                }
                Some(_) => {}
            }
        }
        for expected in table.indexes {
            let (columns, is_to_be_unique) = match expected.strip_prefix("UNIQUE ") {
                Some(columns) => (columns, true),
                None => (*expected, false),
            };
            let of_table = indexes.get(name);
            let is_it = |(found, is_unique): &(String, bool)| {
                found == columns && (*is_unique || !is_to_be_unique)
            };
            if !of_table.is_some_and(|found| found.iter().any(is_it)) {
                differences.push(format!("{name} has no index {expected}"));
            }
        }
    }
    let subject = "tables";
    if differences.is_empty() {
        return Ok(Finding::ok(subject, "they are as muster makes them"));
    }
    Ok(Finding::wrong(
        subject,
        differences.join("; "),
        "somebody has changed the schema muster: undo that, or restore it from a backup",
    ))
}

async fn rights(client: &Client, version: i32) -> Result<Finding, Error> {
    let subject = "rights";
    let (tables, rights): (Vec<&str>, Vec<&str>) = tables_of(version)
        .flat_map(|table| table.rights.iter().map(|right| (table.name, *right)))
        .unzip();
    let needed = [
        (&tables as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
        (&rights, Type::TEXT_ARRAY),
    ];
    let rows = client.query_typed(MISSING_RIGHTS, &needed).await?;
    if rows.is_empty() {
        return Ok(Finding::ok(
            subject,
            "this role may read and write all tables",
        ));
    }
    let missing: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(Finding::wrong(
        subject,
        format!("this role has not all rights on {}", missing.join(", ")),
        "let the role own the tables of the schema muster, or GRANT it these",
    ))
}

/// The apps, and the counters.
async fn records(client: &Client) -> Result<Finding, Error> {
    let subject = "records";
    let restore = "restore the database from a backup";
    let rows = client.query_typed(apps::ALL, &[]).await?;
    for row in &rows {
        if let Err(error) = Revised::read(row) {
            return Ok(Finding::wrong(subject, error.to_string(), restore));
        }
    }
    let mut counters: HashMap<String, i64> = HashMap::new();
    for row in client.query_typed(COUNTERS, &[]).await? {
        counters.insert(row.get(0), row.get(1));
    }
    if counters.get("filling") == Some(&1) {
        return Ok(Finding::wrong(
            subject,
            "they are the first part of a copy that was broken off",
            "run the same `muster store copy` again, which goes on with it, or drop the schema muster",
        ));
    }
    for name in ["apps", "kicks", "internal_id"] {
        if !counters.contains_key(name) {
            let text = format!("the counter {name} is missing in muster.counter");
            return Ok(Finding::wrong(subject, text, restore));
        }
    }
    let last: Option<i64> = client.query_typed_one(LAST_ID, &[]).await?.get(0);
    let next = counters["internal_id"];
    if last.is_some_and(|last| last >= next) {
        return Ok(Finding::wrong(
            subject,
            format!(
                "the next internal id is to be {next}, and some up to {} are given",
                last.unwrap_or(0)
            ),
            "set the counter internal_id in muster.counter above it, with muster stopped",
        ));
    }
    let apps = rows.len();
    let text = format!("the records of all apps ({apps}) and the counters can be read");
    Ok(Finding::ok(subject, text))
}
