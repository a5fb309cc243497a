//! The userbuf of a `PrivateMapKey`: a `UserSig` that also grants rights in one room.
//!
//! The layout is a row of big-endian fields. To make a `PrivateMapKey`, encode a [`Userbuf`] into
//! the claims and sign them:
//!
//! ```
//! use muster_usersig::private_map_key::{Rights, Room, Userbuf};
//! use muster_usersig::{Claims, SecretKey, UserbufText, sign};
//!
//! let (time_s, expire_s) = (1_700_000_000, 15_552_000);
//! let userbuf = Userbuf {
//!     identifier: "xiaojun".to_owned(),
//!     sdkappid: 1_400_000_000,
//!     room: Room::Number(10_000),
//!     ended_at_s: time_s + expire_s,
//!     rights: Rights::ENTER_ROOM | Rights::RECEIVE_AUDIO | Rights::RECEIVE_VIDEO,
//!     account_type: 0,
//! };
//! let claims = Claims {
//!     identifier: userbuf.identifier.clone(),
//!     sdkappid: userbuf.sdkappid.into(),
//!     time_s: time_s.into(),
//!     expire_s: expire_s.into(),
//!     userbuf: Some(UserbufText::encode(&userbuf.encode()?)),
//! };
//! let private_map_key = sign(&SecretKey::from_random([7; 32]), &claims);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, ops::BitOr};

/// Longest identifier or room name, in bytes: its length is written with 16 bits.
pub const TEXT_LIMIT_BYTES: usize = u16::MAX as usize;

const NUMERIC_ROOM: u8 = 0;
const STRING_ROOM: u8 = 1;

/// Who may do what in which room, and until when.
///
/// Identifier, app and end stand in the claims of the token as well; that they agree is for the
/// signer to see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Userbuf {
    /// The user, at most [`TEXT_LIMIT_BYTES`].
    pub identifier: String,
    /// The app.
    pub sdkappid: u32,
    /// The room.
    pub room: Room,
    /// When the rights end, in Unix seconds: `time + expire` of the token.
    pub ended_at_s: u32,
    /// The rights.
    pub rights: Rights,
    /// 0 in all tokens made today.
    pub account_type: u32,
}

/// A room is known by a number or by a name; the two are different rooms even if they read alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// Layout version 0.
    Number(u32),
    /// Layout version 1; at most [`TEXT_LIMIT_BYTES`].
    Name(String),
}

impl Userbuf {
    /// The bytes, to go into a token through [`UserbufText::encode`](crate::UserbufText::encode).
    pub fn encode(&self) -> Result<Vec<u8>, UserbufEncodeError> {
        let (version, number, name) = match &self.room {
            Room::Number(number) => (NUMERIC_ROOM, *number, None),
            Room::Name(name) => (STRING_ROOM, 0, Some(name)),
        };
        let mut bytes = vec![version];
        put_text(&mut bytes, "identifier", &self.identifier)?;
        for value in [
            self.sdkappid,
            number,
            self.ended_at_s,
            self.rights.bits(),
            self.account_type,
        ] {
            bytes.extend(value.to_be_bytes());
        }
        if let Some(name) = name {
            put_text(&mut bytes, "room name", name)?;
        }
        Ok(bytes)
    }

    /// Reads the bytes [`encode`](Self::encode) writes; all of them, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Userbuf, UserbufDecodeError> {
        let mut rest = bytes;
        let [version] = take(&mut rest, "version")?;
        if version != NUMERIC_ROOM && version != STRING_ROOM {
            return Err(UserbufDecodeError::Version { found: version });
        }
        let identifier = take_text(&mut rest, "identifier")?;
        let sdkappid = u32::from_be_bytes(take(&mut rest, "sdkappid")?);
        let number = u32::from_be_bytes(take(&mut rest, "room number")?);
        let ended_at_s = u32::from_be_bytes(take(&mut rest, "end")?);
        let rights = Rights::from_bits(u32::from_be_bytes(take(&mut rest, "rights")?));
        let account_type = u32::from_be_bytes(take(&mut rest, "account type")?);
        let room = if version == NUMERIC_ROOM {
            Room::Number(number)
        } else if number == 0 {
            Room::Name(take_text(&mut rest, "room name")?)
        } else {
            return Err(UserbufDecodeError::NumberOfNamedRoom { number });
        };
        if !rest.is_empty() {
            return Err(UserbufDecodeError::TrailingBytes {
                len_bytes: rest.len(),
            });
        }
        Ok(Userbuf {
            identifier,
            sdkappid,
            room,
            ended_at_s,
            rights,
            account_type,
        })
    }
}

fn put_text(
    bytes: &mut Vec<u8>,
    field: &'static str,
    text: &str,
) -> Result<(), UserbufEncodeError> {
    let len_bytes = u16::try_from(text.len()).map_err(|_| UserbufEncodeError {
        field,
        len_bytes: text.len(),
    })?;
    bytes.extend(len_bytes.to_be_bytes());
    bytes.extend(text.as_bytes());
    Ok(())
}

fn take<const N: usize>(
    rest: &mut &[u8],
    field: &'static str,
) -> Result<[u8; N], UserbufDecodeError> {
    let (taken, left) = rest
        .split_first_chunk()
        .ok_or(UserbufDecodeError::Truncated { field })?;
    *rest = left;
    Ok(*taken)
}

fn take_text(rest: &mut &[u8], field: &'static str) -> Result<String, UserbufDecodeError> {
    let len_bytes = u16::from_be_bytes(take(rest, field)?);
    let (taken, left) = rest
        .split_at_checked(len_bytes.into())
        .ok_or(UserbufDecodeError::Truncated { field })?;
    *rest = left;
    match str::from_utf8(taken) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(UserbufDecodeError::NotUtf8 { field }),
    }
}

/// What the bearer may do in the room, one bit each. Bits without a name are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(u32);

impl Rights {
    /// May do nothing.
    pub const NONE: Rights = Rights(0);
    /// Create the room.
    pub const CREATE_ROOM: Rights = Rights(1);
    /// Enter the room.
    pub const ENTER_ROOM: Rights = Rights(2);
    /// Send audio.
    pub const SEND_AUDIO: Rights = Rights(4);
    /// Receive audio.
    pub const RECEIVE_AUDIO: Rights = Rights(8);
    /// Send video.
    pub const SEND_VIDEO: Rights = Rights(16);
    /// Receive video.
    pub const RECEIVE_VIDEO: Rights = Rights(32);
    /// Send the sub-stream (a shared screen).
    pub const SEND_SUB_STREAM: Rights = Rights(64);
    /// Receive the sub-stream.
    pub const RECEIVE_SUB_STREAM: Rights = Rights(128);
    /// All of the above: 255.
    pub const ALL: Rights = Rights(255);

    const NAMES: [(Rights, &str); 8] = [
        (Rights::CREATE_ROOM, "create room"),
        (Rights::ENTER_ROOM, "enter room"),
        (Rights::SEND_AUDIO, "send audio"),
        (Rights::RECEIVE_AUDIO, "receive audio"),
        (Rights::SEND_VIDEO, "send video"),
        (Rights::RECEIVE_VIDEO, "receive video"),
        (Rights::SEND_SUB_STREAM, "send sub-stream"),
        (Rights::RECEIVE_SUB_STREAM, "receive sub-stream"),
    ];

    /// The rights of these bits.
    pub const fn from_bits(bits: u32) -> Rights {
        Rights(bits)
    }

    /// The bits of these rights.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether every one of `rights` is among these.
    pub const fn contains(self, rights: Rights) -> bool {
        self.0 & rights.0 == rights.0
    }
}

impl BitOr for Rights {
    type Output = Rights;

    fn bitor(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

/// The names of the rights, as in `enter room, receive audio`; `none` without any.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        for (right, name) in Rights::NAMES {
            if self.contains(right) {
                words.push(name.to_owned());
            }
        }
        let unnamed = self.0 & !Rights::ALL.0;
        if unnamed != 0 {
            words.push(format!("unknown bits {unnamed:#x}"));
        }
        if words.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&words.join(", "))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({}: {self})", self.0)
    }
}

/// A text is too long for its 16-bit length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {field} has {len_bytes} bytes, more than {TEXT_LIMIT_BYTES}")]
pub struct UserbufEncodeError {
    /// Which text.
    pub field: &'static str,
    /// Its length.
    pub len_bytes: usize,
}

/// Why bytes are no userbuf of a `PrivateMapKey`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserbufDecodeError {
    /// The first byte is neither 0 nor 1.
    #[error("the userbuf has version {found}; only 0 (numeric room) and 1 (string room) are known")]
    Version {
        /// The version it has.
        found: u8,
    },
    /// The bytes end too early.
    #[error("the userbuf ends within its {field}")]
    Truncated {
        /// The field that is not whole.
        field: &'static str,
    },
    /// A text that is not UTF-8.
    #[error("the {field} in the userbuf is not UTF-8")]
    NotUtf8 {
        /// Which text.
        field: &'static str,
    },
    /// Version 1 names the room by text, so its number must be 0.
    #[error("the userbuf names its room, so the room number must be 0, not {number}")]
    NumberOfNamedRoom {
        /// The number it has.
        number: u32,
    },
    /// The userbuf is whole, but something follows it.
    #[error("{len_bytes} bytes follow the userbuf")]
    TrailingBytes {
        /// How many.
        len_bytes: usize,
    },
}
