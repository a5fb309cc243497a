//! A part of `performance.md` that is written by a measurement: what stands between two comments.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};

/// The name of the document in its directory.
const NAME: &str = "performance.md";

/// One part of the document.
pub(crate) struct Section {
    path: PathBuf,
    name: &'static str,
}

impl Section {
    /// The part between `<!-- name:begin -->` and `<!-- name:end -->` of `performance.md` in `dir`.
    ///
    /// # Errors
    ///
    /// If it is not there: that is told before the work rather than after it.
    pub(crate) fn find(dir: &Path, name: &'static str) -> anyhow::Result<Section> {
        let section = Section {
            path: dir.join(NAME),
            name,
        };
        section.with("")?;
        Ok(section)
    }

    /// Puts `body` in the place of what stands there. What changed in the rest of the document in
    /// the meantime stays.
    pub(crate) fn write(&self, body: &str) -> anyhow::Result<()> {
        let text = self.with(body)?;
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn with(&self, body: &str) -> anyhow::Result<String> {
        let shown = self.path.display();
        let text =
            fs::read_to_string(&self.path).with_context(|| format!("cannot read {shown}"))?;
        replaced(&text, self.name, body).with_context(|| format!("{shown} has no place for it"))
    }
}

fn replaced(text: &str, name: &str, body: &str) -> anyhow::Result<String> {
    let [begin, end] = ["begin", "end"].map(|edge| format!("<!-- {name}:{edge} -->"));
    for marker in [&begin, &end] {
        let count = text.matches(marker).count();
        ensure!(
            count == 1,
            "the line {marker} is there {count} times; it is to be there once"
        );
    }
    let (before, rest) = text.split_once(&begin).expect("it is there");
    let (_, after) = rest
        .split_once(&end)
        .with_context(|| format!("the line {end} stands before {begin}"))?;
    let body = body.trim_matches('\n');
    Ok(format!("{before}{begin}\n{body}\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\n<!-- compare:begin -->\nnot measured yet\n<!-- compare:end -->\n\n\
                        <!-- growth:begin -->\nold\n<!-- growth:end -->\n\nThe end.\n";

    #[test]
    fn only_what_stands_between_is_replaced() {
        let expected = TEXT.replace("not measured yet", "| a |\n|---|");
        let once = replaced(TEXT, "compare", "\n| a |\n|---|\n").unwrap();
        assert_eq!(once, expected);
        let twice = replaced(&once, "compare", "| a |\n|---|").unwrap();
        assert_eq!(twice, expected);
        let both = replaced(&once, "growth", "new").unwrap();
        assert_eq!(both, expected.replace("old", "new"));
    }

    #[test]
    fn a_document_without_a_place() {
        let swapped = "<!-- x:end -->\n<!-- x:begin -->\n";
        let twice = "<!-- x:begin --><!-- x:begin --><!-- x:end -->";
        for (text, expected) in [
            ("", "<!-- x:begin --> is there 0 times"),
            ("<!-- x:begin -->", "<!-- x:end --> is there 0 times"),
            (twice, "<!-- x:begin --> is there 2 times"),
            (swapped, "<!-- x:end --> stands before <!-- x:begin -->"),
        ] {
            let error = replaced(text, "x", "").unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_section_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Section::find(dir.path(), "compare").is_err());
        fs::write(dir.path().join(NAME), TEXT).unwrap();
        let section = Section::find(dir.path(), "compare").unwrap();
        // Found, and nothing written.
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), TEXT);
        section.write("figures").unwrap();
        let expected = TEXT.replace("not measured yet", "figures");
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), expected);
    }

    #[test]
    fn the_document_of_this_repository_has_all_places() {
        let docs = crate::places::repository().join("docs");
        for name in ["compare", "postgres", "growth", "import"] {
            Section::find(&docs, name).unwrap();
        }
    }
}
