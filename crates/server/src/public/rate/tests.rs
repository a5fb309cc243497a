use std::{collections::BTreeMap, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use async_trait::async_trait;
use muster_accounts::{
    Edition, Ended, EndedSession, NewApp, News, SessionId, SessionKey, SharedSession, StoreError,
    UserId, rules::app::create,
};
use muster_usersig::SecretKey;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn app(limits: &[(&str, Option<u32>)]) -> App {
    let new = NewApp {
        sdkappid: SdkAppId(7),
        edition: Edition::Developer,
        key: SecretKey::parse("0123456789abcdef").unwrap(),
    };
    let id = || muster_accounts::InternalId::FIRST;
    let (mut app, _) = create(None, new, UnixSeconds(1), id).unwrap();
    let limits = limits
        .iter()
        .map(|(name, limit)| ((*name).to_owned(), *limit));
    app.settings.rate_limits = limits.collect();
    app
}

/// How many of so many calls pass.
async fn passed(rates: &CallRates, app: &App, calls: usize, now: UnixSeconds) -> usize {
    let mut passed = 0;
    for _ in 0..calls {
        passed += usize::from(rates.pass(app, Command::Kick, now).await.is_ok());
    }
    passed
}

#[tokio::test]
async fn a_second_lets_the_limit_pass() {
    let rates = CallRates::new(None);
    let app = app(&[("kick", Some(3))]);
    for (second, expected) in [
        (1_700_000_000, 3),
        (1_700_000_000, 0),
        (1_700_000_001, 3),
        // Late by one second: the same window. Further back: a clock that was set.
        (1_700_000_000, 0),
        (1_600_000_000, 3),
    ] {
        let passed = passed(&rates, &app, 5, UnixSeconds(second)).await;
        assert_eq!(passed, expected, "{second}");
    }
}

#[tokio::test]
async fn a_limit_changes_within_a_second() {
    let rates = CallRates::new(None);
    for (limit, expected) in [(3, 3), (5, 2), (1, 0), (0, 0), (6, 1)] {
        let app = app(&[("*", Some(limit))]);
        assert_eq!(passed(&rates, &app, 9, NOW).await, expected, "{limit}");
    }
    let next = UnixSeconds(NOW.0 + 1);
    assert_eq!(passed(&rates, &app(&[("*", Some(9))]), 3, next).await, 3);
    assert_eq!(passed(&rates, &app(&[("*", Some(4))]), 3, next).await, 1);
    let unlimited = app(&[("*", Some(1)), ("kick", None)]);
    assert_eq!(passed(&rates, &unlimited, 9, NOW).await, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_exactly_under_contention() {
    let rates = Arc::new(CallRates::new(None));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let rates = rates.clone();
        callers.spawn(async move { passed(&rates, &app(&[("*", Some(1500))]), 1000, NOW).await });
    }
    assert_eq!(callers.join_all().await.iter().sum::<usize>(), 1500);
}

/// Counts calls in memory for three servers, and how often it is asked to.
#[derive(Default)]
struct Counts {
    calls: Mutex<BTreeMap<UnixSeconds, u64>>,
    asked: AtomicUsize,
    is_down: bool,
}

#[async_trait]
impl Cluster for Counts {
    async fn count_calls(
        &self,
        _: SdkAppId,
        command: &'static str,
        calls: u32,
        now: UnixSeconds,
    ) -> Result<u64, StoreError> {
        if self.is_down {
            return Err(StoreError::Failed("it is down".into()));
        }
        assert_eq!(command, "kick");
        self.asked.fetch_add(1, Ordering::Relaxed);
        // So that others come in between.
        tokio::task::yield_now().await;
        let mut counts = self.calls.lock().unwrap();
        let count = counts.entry(now).or_default();
        let before = *count;
        *count += u64::from(calls);
        Ok(before)
    }

    fn nodes(&self) -> usize {
        3
    }

    fn session_id(&self, _: UnixSeconds) -> SessionId {
        unreachable!()
    }

    async fn enter(&self, _: &[SharedSession]) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn confirm(&self, _: &SessionKey) -> Result<Option<Ended>, StoreError> {
        unreachable!()
    }

    async fn leave(&self, _: &SessionKey) -> Result<(), StoreError> {
        unreachable!()
    }

    fn forget(&self, _: SessionKey) {
        unreachable!()
    }

    async fn online(&self, _: SdkAppId, _: &[UserId]) -> Result<Vec<SharedSession>, StoreError> {
        unreachable!()
    }

    async fn page(
        &self,
        _: SdkAppId,
        _: Option<UserId>,
        _: Option<SessionId>,
        _: usize,
    ) -> Result<Vec<SharedSession>, StoreError> {
        unreachable!()
    }

    async fn end_users(
        &self,
        _: SdkAppId,
        _: &[UserId],
        _: Ended,
    ) -> Result<Vec<EndedSession>, StoreError> {
        unreachable!()
    }

    async fn end_session(&self, _: SdkAppId, _: SessionId, _: Ended) -> Result<bool, StoreError> {
        unreachable!()
    }

    fn tell(&self, _: String) {
        unreachable!()
    }

    async fn news(&self) -> News {
        unreachable!()
    }
}

#[tokio::test]
async fn servers_share_a_limit() {
    let app = app(&[("kick", Some(100))]);
    let counts = Arc::new(Counts::default());
    let servers: Vec<_> = (0..3)
        .map(|_| CallRates::new(Some(counts.clone())))
        .collect();
    // All that comes to one server may pass there.
    assert_eq!(passed(&servers[0], &app, 150, NOW).await, 100);
    assert_eq!(passed(&servers[1], &app, 50, NOW).await, 0);
    assert!(counts.asked.load(Ordering::Relaxed) < 40);

    // Calls come to all of them, and several at a time to each.
    let next = UnixSeconds(NOW.0 + 1);
    let mut callers = Vec::new();
    for server in servers.iter().chain(&servers) {
        callers.push(passed(server, &app, 40, next));
    }
    let passed = futures_util::future::join_all(callers).await;
    assert_eq!(passed.iter().sum::<usize>(), 100, "{passed:?}");
    assert!(passed.iter().all(|passed| *passed > 5), "{passed:?}");
}

#[tokio::test]
async fn nobody_is_refused_because_counting_fails() {
    let down = Counts {
        is_down: true,
        ..Counts::default()
    };
    let rates = CallRates::new(Some(Arc::new(down)));
    assert_eq!(passed(&rates, &app(&[("kick", Some(9))]), 5, NOW).await, 5);
    // But each server keeps to the limit by itself.
    assert_eq!(passed(&rates, &app(&[("kick", Some(9))]), 9, NOW).await, 4);
}
