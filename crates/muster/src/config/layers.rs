//! The settings as a document with comments, put together layer by layer: defaults, file,
//! environment, flags. Each value remembers where it came from, so that an error can name it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use toml_edit::{Document, DocumentMut, Item, Key, Table, TableLike, Value};

/// The documented default file is the defaults.
pub(crate) const DEFAULTS: &str = include_str!("../config.default.toml");

/// The settings that are never shown.
const SECRETS: [&str; 2] = ["operator_token", "store_password"];

/// What is shown in its place.
pub(crate) const MASK: &str = "***";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "{}:{line}", path.display()),
            Source::Environment(name) => f.write_str(name),
            Source::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting given outside the file: its name, such as `limits.max_connections`, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: String,
    value: Value,
}

impl Setting {
    /// Takes `text` as the kind of value that the setting has.
    pub(crate) fn parse(key: &str, text: &str) -> anyhow::Result<Setting> {
        let defaults = Layers::defaults();
        let Some(default) = defaults.find(key) else {
            bail!("{key} is no setting of muster; `muster config print` shows all of them");
        };
        let value = match default {
            Value::Integer(_) => match text.parse::<i64>() {
                Ok(number) => number.into(),
                Err(_) => bail!("{text:?} is not a whole number"),
            },
            Value::Boolean(_) => match text.parse::<bool>() {
                Ok(yes) => yes.into(),
                Err(_) => bail!("{text:?} is neither true nor false"),
            },
            _ => text.into(),
        };
        let key = key.to_owned();
        Ok(Setting { key, value })
    }

    /// Reads `KEY=VALUE`, as in `--set`.
    pub(crate) fn parse_pair(text: &str) -> anyhow::Result<Setting> {
        let (key, value) = text
            .split_once('=')
            .context("write it as KEY=VALUE, as in limits.max_connections=500")?;
        Setting::parse(key, value)
    }

    /// Whether its value is not to be given on the command line, nor shown.
    pub(crate) fn is_secret(&self) -> bool {
        SECRETS.contains(&self.key.as_str())
    }
}

/// The variable of the environment for a setting.
pub(crate) fn variable(key: &str) -> String {
    format!("MUSTER_{}", key.replace('.', "_").to_uppercase())
}

pub(crate) struct Layers {
    document: DocumentMut,
    sources: BTreeMap<String, Source>,
}

impl Layers {
    pub(crate) fn defaults() -> Layers {
        let document = DEFAULTS.parse().expect("the default file is TOML");
        Layers {
            document,
            sources: BTreeMap::new(),
        }
    }

    /// Every setting's name, in the order of the default file.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for (name, item) in self.document.iter() {
            match item.as_table() {
                None => keys.push(name.to_owned()),
                Some(table) => keys.extend(table.iter().map(|(sub, _)| format!("{name}.{sub}"))),
            }
        }
        keys
    }

    /// Puts a file's values over what is there.
    pub(crate) fn put_file(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let shown = path.display();
        let file = Document::parse(text).map_err(|error| {
            // Not the error's own display: it quotes the line, and the line may hold the secret.
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            anyhow::anyhow!("{shown}:{line}: {}", error.message())
        })?;
        let at = |key: &Key| Source::File {
            path: path.to_owned(),
            line: line_of(text, key.span().map_or(0, |span| span.start)),
        };
        for (name, key, item) in entries(file.as_table()) {
            let Some(table) = self.document.get(&name).and_then(Item::as_table) else {
                self.put_file_value(&name, item, &at(&key))?;
                continue;
            };
            let Some(given) = item.as_table_like() else {
                let keys: Vec<&str> = table.iter().map(|(sub, _)| sub).collect();
                bail!(
                    "{}: {name} is a table of {}; write [{name}] on a line of its own and the \
                     settings below it",
                    at(&key),
                    keys.join(", ")
                );
            };
            for (sub, sub_key, sub_item) in entries(given) {
                self.put_file_value(&format!("{name}.{sub}"), sub_item, &at(&sub_key))?;
            }
        }
        Ok(())
    }

    fn put_file_value(&mut self, name: &str, item: &Item, at: &Source) -> anyhow::Result<()> {
        let Some(default) = self.find(name) else {
            bail!(
                "{at}: {name} is no setting of muster; {}",
                self.known_beside(name)
            );
        };
        let expected = default.type_name();
        let value = match item.as_value() {
            Some(value) if value.type_name() == expected => value.clone(),
            _ => bail!(
                "{at}: {name} must be {}, not {}",
                with_article(expected),
                with_article(item.type_name())
            ),
        };
        let key = name.to_owned();
        self.put(Setting { key, value }, at.clone());
        Ok(())
    }

    /// What may stand where `name` stands.
    fn known_beside(&self, name: &str) -> String {
        let (table, place) = match name.rsplit_once('.') {
            Some((table, _)) => (self.document[table].as_table(), format!("in [{table}]")),
            None => (Some(self.document.as_table()), "at the top".to_owned()),
        };
        let keys: Vec<&str> = table
            .into_iter()
            .flat_map(Table::iter)
            .map(|(sub, _)| sub)
            .collect();
        format!("{place} it has {}", keys.join(", "))
    }

    /// Puts one value over what is there, and leaves the comments alone.
    pub(crate) fn put(&mut self, setting: Setting, source: Source) {
        let Setting { key, mut value } = setting;
        let place = match key.split_once('.') {
            Some((table, sub)) => &mut self.document[table][sub],
            None => &mut self.document[key.as_str()],
        };
        if let Some(old) = place.as_value() {
            *value.decor_mut() = old.decor().clone();
        }
        *place = Item::Value(value);
        self.sources.insert(key, source);
    }

    /// Where a setting's value came from.
    pub(crate) fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }

    pub(super) fn find(&self, key: &str) -> Option<&Value> {
        let item = match key.split_once('.') {
            Some((table, sub)) => self.document.get(table)?.get(sub)?,
            None => self.document.get(key)?,
        };
        item.as_value()
    }

    fn value(&self, key: &str) -> &Value {
        self.find(key).expect("the default file has every setting")
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.value(key)
            .as_str()
            .expect("kinds were checked when it was put in")
    }

    pub(crate) fn integer(&self, key: &str) -> i64 {
        self.value(key)
            .as_integer()
            .expect("kinds were checked when it was put in")
    }

    pub(crate) fn boolean(&self, key: &str) -> bool {
        self.value(key)
            .as_bool()
            .expect("kinds were checked when it was put in")
    }

    /// The document with its comments, secrets masked, and beside each value that is not the
    /// default where it came from.
    pub(crate) fn masked(&self) -> String {
        let mut shown = Layers {
            document: self.document.clone(),
            sources: BTreeMap::new(),
        };
        for secret in SECRETS {
            if !self.text(secret).is_empty() {
                let key = secret.to_owned();
                let value = MASK.into();
                shown.put(Setting { key, value }, Source::Default);
            }
        }
        for (key, source) in &self.sources {
            let value = match key.split_once('.') {
                Some((table, sub)) => shown.document[table][sub].as_value_mut(),
                None => shown.document[key.as_str()].as_value_mut(),
            };
            let value = value.expect("settings are values");
            let is_masked = SECRETS.contains(&key.as_str()) && value.as_str() == Some(MASK);
            let masked = if is_masked { "masked, " } else { "" };
            value
                .decor_mut()
                .set_suffix(format!(" # {masked}from {source}"));
        }
        shown.document.to_string()
    }
}

/// The entries of a table with their place in the file.
fn entries(table: &dyn TableLike) -> Vec<(String, Key, &Item)> {
    let mut entries = Vec::new();
    for (name, item) in table.iter() {
        let key = table.key(name).expect("it was just met").clone();
        entries.push((name.to_owned(), key, item));
    }
    entries
}

/// Counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    1 + before.matches('\n').count()
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}
