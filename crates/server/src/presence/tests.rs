use std::{cell::RefCell, net::Ipv4Addr};

use muster_accounts::{AppSettings, Edition, UnixSeconds};

use super::*;

const APP: SdkAppId = SdkAppId(1_400_000_000);
const OTHER: SdkAppId = SdkAppId(1_400_000_001);

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn new(app: SdkAppId, name: &str, platform: Platform) -> NewSession {
    NewSession {
        app,
        user_id: user(name),
        platform,
        source: Ipv4Addr::LOCALHOST.into(),
        since: UnixSeconds(1),
        signed_at: UnixSeconds(1),
        times_disabled: 0,
    }
}

fn app(disabled: bool, times_disabled: u64) -> App {
    let settings = AppSettings {
        disabled,
        ..AppSettings::default()
    };
    App {
        sdkappid: APP,
        edition: Edition::Pro,
        keys: Vec::new(),
        admins: BTreeSet::new(),
        created_at: UnixSeconds(1),
        settings,
        times_disabled,
    }
}

async fn enter(presence: &Presence, app: SdkAppId, name: &str, platform: Platform) -> Entered {
    let entered = presence.enter(new(app, name, platform)).await;
    entered.unwrap_or_else(|why| panic!("{why:?}"))
}

async fn confirm(entered: &mut Entered) {
    assert_eq!(entered.confirm(|| ()).await.unwrap(), None);
}

/// Why there is no room.
async fn full(presence: &Presence, name: &str) -> Option<Full> {
    match presence.enter(new(APP, name, Platform::Web)).await {
        Ok(_) => None,
        Err(NotEntered::Full(full)) => Some(full),
        Err(NotEntered::Store(error)) => panic!("{error}"),
    }
}

async fn platforms(presence: &Presence, app: SdkAppId, name: &str) -> Vec<Platform> {
    presence
        .platforms(app, &[user(name)])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn online_from_confirmation_to_drop() {
    let presence = Presence::new(10, None);
    let mut web = enter(&presence, APP, "alice", Platform::Web).await;
    assert_eq!(platforms(&presence, APP, "alice").await, []);
    confirm(&mut web).await;
    let mut mac = enter(&presence, APP, "alice", Platform::Mac).await;
    confirm(&mut mac).await;
    assert_eq!(
        platforms(&presence, APP, "alice").await,
        [Platform::Web, Platform::Mac]
    );
    assert_eq!(platforms(&presence, OTHER, "alice").await, []);
    drop(web);
    assert_eq!(platforms(&presence, APP, "alice").await, [Platform::Mac]);
    assert_eq!(presence.open(), 1);
    assert!(mac.leave(|| ()).await);
    assert!(!mac.leave(|| ()).await);
    drop(mac);
    assert_eq!(presence.open(), 0);
    assert_eq!(presence.apps(), []);
}

#[tokio::test]
async fn a_kick_ends_what_has_entered() {
    let presence = Presence::new(10, None);
    let mut online = enter(&presence, APP, "alice", Platform::Web).await;
    confirm(&mut online).await;
    let mut entering = enter(&presence, APP, "alice", Platform::Mac).await;
    let mut bob = enter(&presence, APP, "bob", Platform::Mac).await;
    confirm(&mut bob).await;
    // A user who has not come online is told of by nobody.
    let carol = enter(&presence, APP, "carol", Platform::Web).await;
    let told = RefCell::new(Vec::new());
    let tell = |user_id: &UserId| told.borrow_mut().push(*user_id);
    let users = ["alice", "carol", "nobody"].map(user);
    presence.end_users(APP, &users, Ended::Kicked, tell).await;
    assert_eq!(told.take(), [user("alice")]);
    drop(carol);
    assert_eq!(platforms(&presence, APP, "alice").await, []);
    assert_eq!(online.ended().await, Ended::Kicked);
    let confirmed = entering.confirm(|| ()).await;
    assert_eq!(confirmed.unwrap(), Some(Ended::Kicked));
    assert!(!online.leave(|| ()).await);
    assert_eq!(platforms(&presence, APP, "bob").await, [Platform::Mac]);
    assert_eq!(presence.open(), 1);
}

#[tokio::test]
async fn an_app_and_a_session_end() {
    let presence = Presence::new(10, None);
    let mut sessions = Vec::new();
    for (app, name) in [(APP, "a"), (APP, "~"), (OTHER, "a"), (APP, " ")] {
        let mut session = enter(&presence, app, name, Platform::Web).await;
        confirm(&mut session).await;
        sessions.push(session);
    }
    let ids = async |after| {
        let page = presence.page(APP, None, after, 2).await.unwrap();
        page.iter().map(|info| info.key.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(None).await, [1, 2]);
    assert_eq!(ids(Some(SessionId(2))).await, [4]);
    let of_user = presence.page(APP, Some(user("~")), None, 9).await;
    assert_eq!(of_user.unwrap().len(), 1);
    let told = RefCell::new(Vec::new());
    let tell = |info: &SessionInfo| told.borrow_mut().push(info.key.id.0);
    let end = async |id| {
        let ended = presence.end_session(APP, SessionId(id), Ended::Closed, tell);
        ended.await.unwrap()
    };
    assert!(!end(3).await);
    assert!(end(2).await);
    assert!(!end(2).await);
    let waiting = enter(&presence, APP, "z", Platform::Web).await;
    // One that is not online is not there for others.
    assert!(!end(waiting.info.key.id.0).await);
    presence.end_disabled(&app(true, 1), tell);
    assert_eq!(told.take(), [2, 4, 1]);
    assert_eq!(presence.open(), 1);
    drop(sessions);
    assert_eq!(presence.open(), 0);
}

/// However soon it was enabled again.
#[tokio::test]
async fn who_signed_in_before_an_app_was_disabled_has_no_session() {
    let presence = Presence::new(10, None);
    let mut before = enter(&presence, APP, "alice", Platform::Web).await;
    confirm(&mut before).await;
    let mut entering = enter(&presence, APP, "alice", Platform::Mac).await;
    let after = NewSession {
        times_disabled: 1,
        ..new(APP, "alice", Platform::IPad)
    };
    let mut stays = presence
        .enter(after)
        .await
        .unwrap_or_else(|why| panic!("{why:?}"));
    confirm(&mut stays).await;
    let told = RefCell::new(Vec::new());
    let tell = |info: &SessionInfo| told.borrow_mut().push(info.key.id.0);
    presence.end_disabled(&app(false, 1), tell);
    assert_eq!(told.take(), [1]);
    assert_eq!(before.ended().await, Ended::AppDisabled);
    let confirmed = entering.confirm(|| ()).await;
    assert_eq!(confirmed.unwrap(), Some(Ended::AppDisabled));
    assert_eq!(platforms(&presence, APP, "alice").await, [Platform::IPad]);
    assert_eq!(presence.open(), 1);
}

#[tokio::test]
async fn there_is_a_limit() {
    let presence = Presence::new(1, None);
    let first = enter(&presence, APP, "alice", Platform::Web).await;
    assert_eq!(full(&presence, "bob").await, Some(Full::Server));
    drop(first);
    assert_eq!(full(&presence, "bob").await, None);
}

#[tokio::test]
async fn one_user_cannot_take_all() {
    let presence = Presence::new(1000, None);
    let mut devices = Vec::new();
    for _ in 0..Presence::USER_LIMIT {
        devices.push(enter(&presence, APP, "alice", Platform::Web).await);
    }
    assert_eq!(full(&presence, "alice").await, Some(Full::User));
    assert_eq!(full(&presence, "bob").await, None);
    drop(devices);
    assert_eq!(full(&presence, "alice").await, None);
}
