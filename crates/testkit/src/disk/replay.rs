//! What a power cut leaves of a recorded directory.
//!
//! [`Disk`] follows the log. Of each file it knows what was synced and, in order, what was not; of
//! each directory likewise for its names. What was synced stays. Of the rest a [`Kept`] says what the
//! disk still took, and [`Disk::image`] is the directory that the next start would find.
//!
//! A sync of a file does not keep its name: that takes a sync of its directory, as POSIX has it.

mod image;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::Arc,
};

pub use self::image::Image;
use self::image::KeptData;
use super::Event;

/// What the disk took of the data that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Of all that was written, in order, this many bytes.
    Torn(u64),
    /// Files have their new length, with zeros where nothing was synced.
    Grown,
    /// Some sectors, as this seed has it; each new length or not.
    Sectors(u64),
}

/// What the disk took of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kept {
    /// How many of the changes of names, in order.
    pub names: usize,
    /// Of the data.
    pub data: Data,
}

/// A recorded directory at one moment of its log.
pub struct Disk {
    nodes: Vec<Node>,
    /// As the running process sees them.
    seen: Dirs,
    synced: Dirs,
    names: Vec<(u64, NameChange)>,
    syncs: HashMap<u64, (usize, u64)>,
    /// How many events there were.
    now: u64,
}

/// The number of the recorded directory itself among the nodes.
const ROOT: usize = 0;

/// Of each directory, by its number, the names in it with the numbers of what they name.
type Dirs = HashMap<usize, BTreeMap<String, usize>>;

enum Node {
    Dir,
    File(FileNode),
}

#[derive(Default)]
struct FileNode {
    /// What was synced, up to its last byte that was written; zeros follow up to `length`.
    bytes: Vec<u8>,
    length: u64,
    /// Changes with each sync that brings something.
    version: u64,
    unsynced: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    SetLength(u64),
}

#[derive(Clone)]
struct NameChange {
    /// The name that goes, and the directory it is in.
    goes: Option<(usize, String)>,
    /// The name that comes, the directory it is in, and what it names.
    comes: Option<(usize, String, usize)>,
}

impl Disk {
    /// A disk with an empty directory.
    pub fn new() -> Self {
        Self {
            nodes: vec![Node::Dir],
            seen: HashMap::from([(ROOT, BTreeMap::new())]),
            synced: HashMap::from([(ROOT, BTreeMap::new())]),
            names: Vec::new(),
            syncs: HashMap::new(),
            now: 0,
        }
    }

    /// Follows the log by one event.
    ///
    /// # Panics
    ///
    /// If it cannot have come at this moment, as when a file is written that was never made.
    pub fn follow(&mut self, event: &Event) {
        self.now += 1;
        match event {
            Event::Create { path } => self.make(path, Node::File(FileNode::default())),
            Event::MakeDir { path } => self.make(path, Node::Dir),
            Event::SetLength { path, length } => self.change(path, Change::SetLength(*length)),
            Event::Write {
                path,
                offset,
                bytes,
            } => {
                let bytes = bytes.as_slice().into();
                let offset = *offset;
                self.change(path, Change::Write { offset, bytes });
            }
            Event::Rename { from, to } => {
                let (from_dir, from_name) = self.place(from);
                let (to_dir, to_name) = self.place(to);
                let node = self.find(from);
                self.rename(Some((from_dir, from_name)), Some((to_dir, to_name, node)));
            }
            Event::Link { from, to } => {
                let (dir, name) = self.place(to);
                let node = self.find(from);
                self.rename(None, Some((dir, name, node)));
            }
            Event::Remove { path } => {
                let place = self.place(path);
                self.rename(Some(place), None);
            }
            Event::SyncBegin { sync, path } => {
                let node = self.find(path);
                self.syncs.insert(*sync, (node, self.now));
            }
            Event::SyncEnd { sync } => {
                let (node, before) = self.syncs.remove(sync).expect("a sync begins first");
                self.sync(node, before);
            }
        }
    }

    /// How many changes of names were not synced.
    pub fn unsynced_names(&self) -> usize {
        self.names.len()
    }

    /// How many written bytes were not synced.
    pub fn unsynced_bytes(&self) -> u64 {
        let changes = self.nodes.iter().flat_map(|node| match node {
            Node::File(file) => &file.unsynced[..],
            Node::Dir => &[],
        });
        let length = |(_, change): &(u64, Change)| match change {
            Change::Write { bytes, .. } => bytes.len() as u64,
            Change::SetLength(_) => 0,
        };
        changes.map(length).sum()
    }

    /// What the next start finds if the power goes now.
    pub fn image(&self, kept: Kept) -> Image {
        let mut dirs = self.synced.clone();
        for (_, change) in &self.names[..kept.names] {
            change.clone().carry_out(&mut dirs);
        }
        let mut image = Image {
            dirs: Vec::new(),
            files: Vec::new(),
        };
        let kept_data = KeptData::new(self, kept.data);
        let mut under = vec![(String::new(), ROOT)];
        while let Some((path, number)) = under.pop() {
            match &self.nodes[number] {
                Node::File(file) => image.files.push(kept_data.file(path, number, file)),
                Node::Dir => {
                    for (name, child) in &dirs[&number] {
                        let prefix = if path.is_empty() { "" } else { "/" };
                        under.push((format!("{path}{prefix}{name}"), *child));
                    }
                    image.dirs.push(path);
                }
            }
        }
        image
    }

    /// Writes an image of this moment into a directory that is empty or not there.
    pub fn write(&self, image: &Image, into: &Path) -> io::Result<()> {
        for dir in &image.dirs {
            fs::create_dir_all(into.join(dir))?;
        }
        for image_file in &image.files {
            let Node::File(node) = &self.nodes[image_file.node] else {
                unreachable!("the image was made from this disk");
            };
            let file = File::create(into.join(&image_file.path))?;
            file.write_all_at(&node.bytes[..image_file.synced], 0)?;
            for over in &image_file.over {
                let offset = over.offset + over.part.start as u64;
                file.write_all_at(&over.bytes[over.part.clone()], offset)?;
            }
            file.set_len(image_file.length)?;
        }
        Ok(())
    }

    fn make(&mut self, path: &str, node: Node) {
        let (dir, name) = self.place(path);
        let number = self.nodes.len();
        if matches!(node, Node::Dir) {
            self.seen.insert(number, BTreeMap::new());
            self.synced.insert(number, BTreeMap::new());
        }
        self.nodes.push(node);
        self.rename(None, Some((dir, name, number)));
    }

    fn change(&mut self, path: &str, change: Change) {
        let node = self.find(path);
        match &mut self.nodes[node] {
            Node::File(file) => file.unsynced.push((self.now, change)),
            Node::Dir => panic!("{path} is a directory"),
        }
    }

    fn rename(&mut self, goes: Option<(usize, String)>, comes: Option<(usize, String, usize)>) {
        let change = NameChange { goes, comes };
        change.clone().carry_out(&mut self.seen);
        self.names.push((self.now, change));
    }

    fn sync(&mut self, node: usize, before: u64) {
        match &mut self.nodes[node] {
            Node::File(file) => file.sync(before),
            Node::Dir => {
                let (synced, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.names)
                    .into_iter()
                    .partition(|(at, change)| *at < before && change.is_in(node));
                self.names = rest;
                for (_, change) in synced {
                    change.carry_out(&mut self.synced);
                }
            }
        }
    }

    /// The directory a path is in, and its name there.
    fn place(&self, path: &str) -> (usize, String) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(dir), name.to_owned())
    }

    fn find(&self, path: &str) -> usize {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(ROOT, |dir, name| {
            let found = self.seen.get(&dir).and_then(|names| names.get(name));
            *found.unwrap_or_else(|| panic!("{path} is not there"))
        })
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

impl FileNode {
    fn sync(&mut self, before: u64) {
        let still = self.unsynced.partition_point(|(at, _)| *at < before);
        self.version += u64::from(still > 0);
        for (_, change) in self.unsynced.drain(..still) {
            match change {
                Change::SetLength(length) => {
                    self.length = length;
                    self.bytes
                        .truncate(usize::try_from(length).unwrap_or(usize::MAX));
                }
                Change::Write { offset, bytes } => {
                    let offset = usize::try_from(offset).expect("files of tests are small");
                    let end = offset + bytes.len();
                    if self.bytes.len() < end {
                        self.bytes.resize(end, 0);
                    }
                    self.bytes[offset..end].copy_from_slice(&bytes);
                    self.length = self.length.max(end as u64);
                }
            }
        }
    }
}

impl NameChange {
    fn is_in(&self, dir: usize) -> bool {
        let goes = self.goes.as_ref().is_some_and(|(from, _)| *from == dir);
        goes || self.comes.as_ref().is_some_and(|(to, _, _)| *to == dir)
    }

    fn carry_out(self, dirs: &mut Dirs) {
        if let Some((from, name)) = self.goes {
            dirs.entry(from).or_default().remove(&name);
        }
        if let Some((to, name, node)) = self.comes {
            dirs.entry(to).or_default().insert(name, node);
        }
    }
}
