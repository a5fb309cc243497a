//! What is done to a store, and how it is chosen: few users in few apps, so that they meet again and
//! again, and values that a store may be tempted to change.

use std::collections::{BTreeMap, BTreeSet};

use muster_accounts::{
    AppChange, AppPatch, Edition, FaceUrl, Nick, ProfileField, SdkAppId, UserId,
    app::{Webhook, WebhookPatch, WebhookToken, parse_network},
    profile::{
        AdminForbidType, AllowType, CustomField, CustomValue, Gender, Location, SelfSignature,
    },
    rules::import::ImportEntry,
};
use muster_usersig::SecretKey;
use proptest::{prelude::*, sample::select};
use proptest_state_machine::ReferenceStateMachine;

/// The apps of all calls.
pub(crate) const APPS: [SdkAppId; 3] = [SdkAppId(7), SdkAppId(1_400_000_000), SdkAppId(u32::MAX)];

const USERS: usize = 24;

/// User ids that a query may take for something else, or for one another.
const HARD_USERS: [&str; 10] = [
    "USER1",
    "user_",
    "user%",
    "user1 ",
    " ",
    "'; --",
    "\"user1\"",
    "\\",
    "NULL",
    "~!$1{user1},()<>@#&*:^`|[]=+?/.",
];

const TEXTS: [&str; 6] = [
    "",
    "Ann",
    "小军",
    "Nick_001",
    "http://www.qq.com",
    "0123456789",
];

/// Texts that must come back byte for byte all the same: at most 16 bytes each, for they are locations
/// too.
const HARD_TEXTS: [&str; 15] = [
    "\0",
    "a\0b",
    "\0\0Ann",
    "ann",
    "Ann ",
    "\t\r\n",
    "O'Brien",
    "\"Ann\"",
    "\\",
    "\\0\\N\\x00\\u0000",
    "$1 ?1 :a %s {}",
    "NULL",
    "😀𠮷",
    // The same letter, composed and not.
    "é",
    "e\u{301}\u{feff}\u{202e}\u{ffff}",
];

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Import(SdkAppId, Vec<ImportEntry>),
    /// An import that only says what would happen.
    DryRun(SdkAppId, Vec<ImportEntry>),
    SetProfile(SdkAppId, UserId, Vec<ProfileField>),
    Delete(SdkAppId, Vec<UserId>),
    Kick(SdkAppId, UserId),
    CreateApp(SdkAppId, Edition),
    ChangeApp(SdkAppId, AppChange),
    Find(SdkAppId, Vec<UserId>),
    /// Imports this many further users, to reach the cap of the trial edition.
    Fill(SdkAppId, usize),
}

/// One step of a sequence.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Call(Call),
    /// Calls made one after the other without waiting for answers, so that the store commits them as
    /// few groups. It must answer as if each had waited for the one before.
    Together(Vec<Call>),
    /// The clock goes on, by days, so that re-import bars end.
    Wait(u64),
    Reopen,
    /// The store is backed up, and goes on from the backup.
    Restore,
}

impl Call {
    pub(crate) fn is_dry(&self) -> bool {
        matches!(self, Self::DryRun(..))
    }

    pub(crate) fn is_find(&self) -> bool {
        matches!(self, Self::Find(..))
    }

    /// Whose accounts may be new after the call.
    pub(crate) fn may_create(&self) -> Option<(SdkAppId, Vec<UserId>)> {
        match self {
            Self::Import(app, entries) => {
                Some((*app, entries.iter().map(|entry| entry.user_id).collect()))
            }
            Self::Fill(app, users) => Some((*app, fillers(*users).collect())),
            Self::CreateApp(app, _) => Some((*app, vec![UserId::ADMINISTRATOR])),
            Self::ChangeApp(app, change) => change.new_admin().map(|user| (*app, vec![*user])),
            Self::DryRun(..)
            | Self::SetProfile(..)
            | Self::Delete(..)
            | Self::Kick(..)
            | Self::Find(..) => None,
        }
    }
}

/// The users of [`Call::Fill`].
pub(crate) fn fillers(users: usize) -> impl Iterator<Item = UserId> {
    (0..users).map(|i| UserId::parse(&format!("filler{i}")).unwrap())
}

pub(crate) fn entry_of(user_id: UserId) -> ImportEntry {
    ImportEntry {
        position: 0,
        user_id,
        nick: None,
        face_url: None,
    }
}

pub(crate) fn key(byte: u8) -> SecretKey {
    SecretKey::from_random([byte; 32])
}

fn user() -> impl Strategy<Value = UserId> {
    (0..USERS).prop_map(|i| match i {
        0 => UserId::ADMINISTRATOR,
        i => match HARD_USERS.get(i - 1) {
            Some(name) => UserId::parse(name).unwrap(),
            None => UserId::parse(&format!("user{}", i - HARD_USERS.len())).unwrap(),
        },
    })
}

fn short_text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(TEXTS.to_vec()),
        1 => select(HARD_TEXTS.to_vec()),
    ]
    .prop_map(ToOwned::to_owned)
}

/// Also texts as long as they may be.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => short_text(),
        1 => select(vec!["\0".repeat(500), "é".repeat(250), "😀".repeat(125)]),
    ]
}

fn entry() -> impl Strategy<Value = ImportEntry> {
    (user(), prop::option::of(text()), prop::option::of(text())).prop_map(
        |(user_id, nick, face)| ImportEntry {
            nick: nick.map(|text| Nick::parse(text.into()).unwrap()),
            face_url: face.map(|text| FaceUrl::parse(text.into()).unwrap()),
            ..entry_of(user_id)
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<ImportEntry>> {
    prop::collection::vec(entry(), 1..12).prop_map(numbered)
}

fn numbered(mut entries: Vec<ImportEntry>) -> Vec<ImportEntry> {
    for (position, entry) in entries.iter_mut().enumerate() {
        entry.position = position;
    }
    entries
}

fn field() -> impl Strategy<Value = ProfileField> {
    prop_oneof![
        3 => text().prop_map(|text| ProfileField::Nick(Nick::parse(text.into()).unwrap())),
        3 => text().prop_map(|text| ProfileField::FaceUrl(FaceUrl::parse(text.into()).unwrap())),
        3 => (custom_field(), text()).prop_map(|(field, text)| {
            ProfileField::Custom(field, CustomValue::parse(text.into()).unwrap())
        }),
        1 => text().prop_map(|text| {
            ProfileField::SelfSignature(SelfSignature::parse(text.into()).unwrap())
        }),
        2 => short_text().prop_filter_map("too long for a location", |text| {
            Some(ProfileField::Location(Location::parse(text.into()).ok()?))
        }),
        2 => select(vec![Gender::Unknown, Gender::Female, Gender::Male])
            .prop_map(ProfileField::Gender),
        1 => select(vec![AllowType::NeedConfirm, AllowType::AllowAny, AllowType::DenyAny])
            .prop_map(ProfileField::AllowType),
        1 => select(vec![AdminForbidType::None, AdminForbidType::SendOut])
            .prop_map(ProfileField::AdminForbidType),
        4 => (number(), select(NUMBER_FIELDS.to_vec())).prop_map(|(number, field)| field(number)),
    ]
}

const NUMBER_FIELDS: [fn(u32) -> ProfileField; 5] = [
    ProfileField::BirthDay,
    ProfileField::Language,
    ProfileField::MsgSettings,
    ProfileField::Level,
    ProfileField::Role,
];

/// Numbers on both sides of where a signed one ends.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), select(vec![0, 1 << 31, u32::MAX])]
}

fn custom_field() -> impl Strategy<Value = CustomField> {
    select(vec!["Team", "team", "Abcdefgh"]).prop_map(|name| CustomField::parse(name).unwrap())
}

fn patch() -> impl Strategy<Value = AppPatch> {
    let edition = select(Edition::ALL.to_vec());
    let switches = any::<[Option<bool>; 3]>();
    let networks = prop::collection::vec(select(vec!["10.0.0.0/8", "::1", "127.0.0.1"]), 0..3);
    let networks = networks.prop_map(|texts| {
        let networks = texts.into_iter().map(parse_network);
        networks.map(Option::unwrap).collect()
    });
    let fields = prop::collection::vec(custom_field(), 0..3).prop_map(BTreeSet::from_iter);
    let name = select(vec!["*", "kick", "account_import"]).prop_map(ToOwned::to_owned);
    let limits = prop::collection::vec((name, prop::option::of(number())), 0..3);
    let limits = limits.prop_map(BTreeMap::from_iter);
    let lists = (
        prop::option::of(networks),
        prop::option::of(fields),
        prop::option::of(limits),
        prop::option::of(prop::option::of(webhook())),
    );
    (edition, switches, lists).prop_map(|(edition, switches, lists)| {
        let [disabled, deletion, import_at_sign_in] = switches;
        let (allow_list, custom_fields, rate_limits, webhook) = lists;
        AppPatch {
            edition: Some(edition),
            disabled,
            deletion,
            import_at_sign_in,
            allow_list,
            custom_fields,
            rate_limits,
            webhook,
        }
    })
}

fn webhook() -> impl Strategy<Value = WebhookPatch> {
    let url = Webhook::parse_url("http://127.0.0.1/a'b").unwrap();
    let token = select(vec!["0", "O'Brien\\\"", "小军\0"]);
    let token = token.prop_map(|text| WebhookToken::new(text.to_owned()).unwrap());
    let token = prop::option::of(prop::option::of(token));
    let others = (token, any::<[Option<bool>; 2]>());
    (prop::option::of(Just(url)), others).prop_map(|(url, (token, [retry, imports]))| {
        WebhookPatch {
            url,
            token,
            retry,
            imports,
        }
    })
}

fn change() -> impl Strategy<Value = AppChange> {
    prop_oneof![
        (any::<u8>(), select(vec![0, 86_400, 864_000])).prop_map(|(byte, grace_s)| {
            let key = key(byte);
            AppChange::RotateKey { key, grace_s }
        }),
        patch().prop_map(|patch| AppChange::Configure(Box::new(patch))),
        user().prop_map(AppChange::AddAdmin),
        user().prop_map(AppChange::RemoveAdmin),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let app = || select(APPS.to_vec());
    let users = || prop::collection::vec(user(), 1..4);
    prop_oneof![
        8 => (app(), entries()).prop_map(|(app, entries)| Call::Import(app, entries)),
        2 => (app(), entries()).prop_map(|(app, entries)| Call::DryRun(app, entries)),
        3 => (app(), user(), prop::collection::vec(field(), 1..4))
            .prop_map(|(app, user, fields)| Call::SetProfile(app, user, fields)),
        4 => (app(), users()).prop_map(|(app, users)| Call::Delete(app, users)),
        3 => (app(), user()).prop_map(|(app, user)| Call::Kick(app, user)),
        2 => (app(), select(Edition::ALL.to_vec()))
            .prop_map(|(app, edition)| Call::CreateApp(app, edition)),
        2 => (app(), change()).prop_map(|(app, change)| Call::ChangeApp(app, change)),
        2 => (app(), users()).prop_map(|(app, users)| Call::Find(app, users)),
        1 => (app(), 60..101usize).prop_map(|(app, users)| Call::Fill(app, users)),
    ]
}

/// Steps in any order: each is right at any time.
pub(crate) struct Sequence;

impl ReferenceStateMachine for Sequence {
    type State = ();
    type Transition = Step;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Step> {
        prop_oneof![
            10 => call().prop_map(Step::Call),
            5 => prop::collection::vec(call(), 2..12).prop_map(Step::Together),
            1 => (1..60u64).prop_map(Step::Wait),
            1 => Just(Step::Reopen),
            1 => Just(Step::Restore),
        ]
        .boxed()
    }

    fn apply((): (), _: &Step) {}
}
