//! What was kept of each file.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

use super::{Change, Data, Disk, FileNode, Node};

/// Disks write a sector as a whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// A directory as a power cut leaves it.
pub struct Image {
    pub(super) dirs: Vec<String>,
    pub(super) files: Vec<ImageFile>,
}

pub(super) struct ImageFile {
    pub(super) path: String,
    pub(super) node: usize,
    version: u64,
    /// How many of the synced bytes are still there.
    pub(super) synced: usize,
    pub(super) over: Vec<Over>,
    pub(super) length: u64,
}

/// Bytes that were kept over those that were synced.
pub(super) struct Over {
    /// The event that wrote them.
    at: u64,
    pub(super) offset: u64,
    pub(super) bytes: Arc<[u8]>,
    /// Those of them that were kept.
    pub(super) part: Range<usize>,
}

/// Says of each change of data whether it was kept.
pub(super) struct KeptData {
    data: Data,
    /// With [`Data::Torn`]: the change in which it tears, and how many of its bytes are kept.
    tear: (u64, usize),
}

impl KeptData {
    pub(super) fn new(disk: &Disk, data: Data) -> Self {
        let mut tear = (u64::MAX, 0);
        if let Data::Torn(mut left) = data {
            let mut lengths: Vec<(u64, u64)> = Vec::new();
            for node in &disk.nodes {
                let Node::File(file) = node else { continue };
                for (at, change) in &file.unsynced {
                    if let Change::Write { bytes, .. } = change {
                        lengths.push((*at, bytes.len() as u64));
                    }
                }
            }
            lengths.sort_unstable();
            for (at, length) in lengths {
                if left < length {
                    tear = (at, usize::try_from(left).expect("less than a length"));
                    break;
                }
                left -= length;
            }
        }
        Self { data, tear }
    }

    pub(super) fn file(&self, path: String, number: usize, node: &FileNode) -> ImageFile {
        let mut file = ImageFile {
            path,
            node: number,
            version: node.version,
            synced: node.bytes.len(),
            over: Vec::new(),
            length: node.length,
        };
        for (at, change) in &node.unsynced {
            match change {
                Change::SetLength(length) => {
                    let kept = match self.data {
                        Data::Nothing => false,
                        Data::Everything | Data::Grown => true,
                        Data::Torn(_) => *at < self.tear.0,
                        Data::Sectors(seed) => coin(seed, *at, number as u64),
                    };
                    if kept {
                        file.set_length(*length);
                    }
                }
                Change::Write { offset, bytes } => match self.data {
                    Data::Everything => file.keep(*at, *offset, bytes, 0..bytes.len()),
                    Data::Grown => file.length = file.length.max(offset + bytes.len() as u64),
                    Data::Torn(_) if *at < self.tear.0 => {
                        file.keep(*at, *offset, bytes, 0..bytes.len());
                    }
                    Data::Torn(_) if *at == self.tear.0 => {
                        file.keep(*at, *offset, bytes, 0..self.tear.1);
                    }
                    Data::Nothing | Data::Torn(_) => {}
                    Data::Sectors(seed) => {
                        let mut from = 0;
                        while from < bytes.len() {
                            let sector = (offset + from as u64) / SECTOR_BYTES;
                            let end = (sector + 1) * SECTOR_BYTES - offset;
                            let to = usize::try_from(end)
                                .map_or(bytes.len(), |end| end.min(bytes.len()));
                            if coin(seed, *at, sector) {
                                file.keep(*at, *offset, bytes, from..to);
                            }
                            from = to;
                        }
                    }
                },
            }
        }
        file
    }
}

impl ImageFile {
    /// Keeps a part of the bytes that the event `at` wrote from `offset` on.
    fn keep(&mut self, at: u64, offset: u64, bytes: &Arc<[u8]>, part: Range<usize>) {
        if part.is_empty() {
            return;
        }
        self.length = self.length.max(offset + part.end as u64);
        let bytes = bytes.clone();
        self.over.push(Over {
            at,
            offset,
            bytes,
            part,
        });
    }

    /// Makes the file as long as this. What is cut off is gone, also when the file grows again.
    fn set_length(&mut self, length: u64) {
        let before = |offset: u64| usize::try_from(length.saturating_sub(offset));
        let limit = |end: usize, offset| before(offset).map_or(end, |left| end.min(left));
        self.synced = limit(self.synced, 0);
        for over in &mut self.over {
            over.part.end = limit(over.part.end, over.offset).max(over.part.start);
        }
        self.length = length;
    }
}

/// The same for the same content, within replays of one log.
impl Hash for Image {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.dirs.hash(hasher);
        for file in &self.files {
            (&file.path, file.node, file.version).hash(hasher);
            (file.synced, file.length).hash(hasher);
            for over in &file.over {
                (over.at, &over.part).hash(hasher);
            }
        }
    }
}

fn coin(seed: u64, a: u64, b: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    (seed, a, b).hash(&mut hasher);
    hasher.finish().is_multiple_of(2)
}
