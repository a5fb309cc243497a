//! What an account is, and the rules by which accounts come to be, change and go.
//!
//! This crate is the middle of muster and depends on nothing around it: not on JSON, HTTP, disk,
//! SQL or the clock. Outside text becomes a domain type once ([`UserId::parse`], [`Nick::parse`],
//! …) and is right by construction from then on.
//!
//! - [`id`], [`profile`], [`app`], [`time`]: the nouns.
//! - [`rules`]: the verbs, as pure functions. What is stored, what is asked and the time go in; a
//!   plan of records to write comes out. A rule is written here once; no store repeats one.
//! - [`store`]: [`AccountStore`], the seam behind which the records live.
//! - [`cluster`]: [`Cluster`], the seam behind which several servers share who is online.
//! - [`transfer`]: the lane by which one store is copied into another.
//! - [`mod@reference`]: the smallest store that keeps the trait's promises, in memory. It is the model
//!   against which all other stores are tested.

pub mod account;
pub mod app;
pub mod cluster;
pub mod id;
pub mod profile;
pub mod reference;
pub mod rules;
pub mod store;
pub mod time;
pub mod transfer;
mod webhook_url;

pub use account::{Account, Tombstone};
pub use app::{App, AppChange, AppKey, AppPatch, AppSettings, Edition, NewApp};
pub use cluster::{Cluster, Ended, EndedSession, News, SessionId, SessionKey, SharedSession};
pub use id::{InternalId, SdkAppId, UserId};
pub use ipnet::IpNet;
pub use profile::{FaceUrl, Nick, Profile, ProfileField};
pub use reference::ReferenceStore;
pub use store::{AccountStore, OpError, StoreError, StoreStats};
pub use time::UnixSeconds;
pub use transfer::{Record, Transfer};
pub use webhook_url::WebhookUrlError;
