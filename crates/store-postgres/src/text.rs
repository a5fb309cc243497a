//! Texts as PostgreSQL can keep them: all of Unicode but U+0000, which a nickname may hold.
//!
//! U+0000 becomes the noncharacter U+10FFFF and a `0`, that noncharacter itself U+10FFFF and a `1`.
//! Every other text stands as it is.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

const ESCAPE: char = '\u{10FFFF}';

/// The first byte of the escape, and of other characters from U+100000 on, of which no text has any but by
/// chance.
const ESCAPE_FIRST: u8 = 0xf4;

/// The text as it is kept.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if memchr2(0, ESCAPE_FIRST, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\0' => kept.extend([ESCAPE, '0']),
            ESCAPE => kept.extend([ESCAPE, '1']),
            char => kept.push(char),
        }
    }
    Cow::Owned(kept)
}

/// The text that was kept; `None` if this never was what [`kept`] made.
pub(crate) fn given(kept: &str) -> Option<String> {
    if memchr(ESCAPE_FIRST, kept.as_bytes()).is_none() {
        return Some(kept.to_owned());
    }
    let mut text = String::with_capacity(kept.len());
    let mut chars = kept.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            ESCAPE => match chars.next()? {
                '0' => '\0',
                '1' => ESCAPE,
                _ => return None,
            },
            char => char,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_holds_a_zero() {
        for text in [
            "",
            "Ann",
            "小军",
            "a\0b",
            "\0",
            "\u{10FFFF}",
            "\u{10FFFF}0\0\u{10FFFF}1",
            "\u{100000}a\0",
        ] {
            let kept = kept(text);
            assert!(!kept.contains('\0'), "{text:?}");
            assert_eq!(given(&kept).as_deref(), Some(text));
        }
        assert_eq!(kept("小军"), "小军");
        for damaged in ["\u{10FFFF}", "a\u{10FFFF}2"] {
            assert_eq!(given(damaged), None);
        }
    }
}
