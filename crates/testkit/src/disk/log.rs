//! The recorder's log, record by record.

/// A change or a sync below the recorded directory. Paths are relative to it; it is `""` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the calls")]
pub enum Event {
    Create {
        path: String,
    },
    SetLength {
        path: String,
        length: u64,
    },
    Write {
        path: String,
        offset: u64,
        bytes: Vec<u8>,
    },
    Rename {
        from: String,
        to: String,
    },
    Link {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    MakeDir {
        path: String,
    },
    /// A sync of a file or directory begins.
    SyncBegin {
        sync: u64,
        path: String,
    },
    /// It has ended well.
    SyncEnd {
        sync: u64,
    },
}

/// Takes the whole log apart.
///
/// # Panics
///
/// If it is not one.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let [kind, path, second, data] = [(); 4].map(|()| u32::from_ne_bytes(take(&mut bytes)));
        let number = u64::from_ne_bytes(take(&mut bytes));
        let mut part = |length: u32| {
            let (part, rest) = bytes.split_at(length as usize);
            bytes = rest;
            part
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).expect("paths are texts");
        let path = text(part(path));
        let second = text(part(second));
        let data = part(data);
        events.push(match char::from_u32(kind) {
            Some('C') => Event::Create { path },
            Some('T') => Event::SetLength {
                path,
                length: number,
            },
            Some('W') => Event::Write {
                path,
                offset: number,
                bytes: data.to_owned(),
            },
            Some('R') => Event::Rename {
                from: path,
                to: second,
            },
            Some('L') => Event::Link {
                from: path,
                to: second,
            },
            Some('U' | 'D') => Event::Remove { path },
            Some('M') => Event::MakeDir { path },
            Some('B') => Event::SyncBegin { sync: number, path },
            Some('E') => Event::SyncEnd { sync: number },
            _ => panic!("the recorder wrote a record of kind {kind}"),
        });
    }
    events
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (taken, rest) = bytes
        .split_first_chunk()
        .expect("the log ends with a whole record");
    *bytes = rest;
    *taken
}
