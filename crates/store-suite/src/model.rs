//! A store against the reference store: long random sequences of calls. Whatever the model answers,
//! the store must answer.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

use muster_accounts::{AccountStore, ReferenceStore, SdkAppId, UnixSeconds, UserId};
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime::Runtime;

use crate::{
    Subject,
    answer::{Contents, answer, answer_together, contents},
    call::{Call, Sequence, Step},
    ids::Ids,
};

/// Drives that many stores through sequences of up to 119 steps each. A sequence that fails is made
/// shorter, up to 200 times, and shown.
///
/// Answers how many requests shared a commit with another: without any, a store that
/// [keeps order](Subject::KEEPS_ORDER) was not tested with calls that overlap. Of another store it is 0.
pub fn run<S: Subject>(cases: u32) -> u64 {
    let runtime = Runtime::new().unwrap();
    let grouped = Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let sequences = Sequence::sequential_strategy(1..120);
    let outcome = runner.run(&sequences, |((), steps, seen)| {
        let shared_a_commit = runtime.block_on(play::<S>(steps, seen.as_deref()));
        grouped.set(grouped.get() + shared_a_commit);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    grouped.get()
}

async fn play<S: Subject>(steps: Vec<Step>, seen: Option<&AtomicUsize>) -> u64 {
    let mut case = Case::<S>::new().await;
    for step in steps {
        // Steps that are never seen are the first to go when the sequence is made shorter.
        if let Some(seen) = seen {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        case = case.take(step).await;
    }
    let mut case = case.reopen().await;
    case.compare_contents().await;
    case.subject.close().await;
    case.grouped
}

struct Case<S> {
    model: ReferenceStore,
    subject: S,
    ids: Ids,
    now: UnixSeconds,
    /// Requests that shared a commit with another.
    grouped: u64,
}

impl<S: Subject> Case<S> {
    async fn new() -> Self {
        Self {
            model: ReferenceStore::default(),
            subject: S::new().await,
            ids: Ids::new(S::COUNTS_IDS),
            now: UnixSeconds(1_800_000_000),
            grouped: 0,
        }
    }

    async fn take(mut self, step: Step) -> Self {
        self.now = self.now.plus(1);
        match step {
            Step::Wait(days) => self.now = self.now.plus(days * 86_400),
            Step::Reopen => {
                self = self.reopen().await;
                self.compare_contents().await;
            }
            Step::Restore => {
                self.subject = self.subject.restore().await;
                self.compare_contents().await;
            }
            Step::Together(calls) if S::KEEPS_ORDER => self.call_together(calls).await,
            Step::Together(calls) => {
                for call in calls {
                    self.call(call).await;
                }
            }
            Step::Call(call) => self.call(call).await,
        }
        self
    }

    async fn reopen(self) -> Self {
        let subject = self.subject.reopen().await;
        Self { subject, ..self }
    }

    async fn call(&mut self, call: Call) {
        let before = if call.is_dry() {
            Some(self.written().await)
        } else {
            None
        };
        let may_create = call.may_create();
        let kicked = match call {
            Call::Kick(app, user_id) => Some((app, user_id)),
            _ => None,
        };
        let (mark, kicks) = (self.mark(kicked).await, self.subject.store().kicks());

        let expected = answer(&self.model, call.clone(), self.now).await;
        let actual = answer(self.subject.store(), call, self.now).await;
        assert_eq!(actual.text, expected.text);
        self.ids.assert_same(&expected.accounts, actual.accounts);

        if let Some((app, users)) = may_create {
            self.compare_accounts(app, &users).await;
        }
        if let Some(before) = before {
            assert_eq!(self.written().await, before, "a dry run wrote");
        }
        if self.mark(kicked).await != mark {
            assert_ne!(self.subject.store().kicks(), kicks, "a kick goes unnoticed");
        }
    }

    async fn call_together(&mut self, mut calls: Vec<Call>) {
        calls.retain(|call| !call.is_find());
        let store = self.subject.store();
        let commits_before = store.stats().commits;
        let mut expected = Vec::new();
        for call in &calls {
            expected.push(answer(&self.model, call.clone(), self.now).await.text);
        }
        let actual = answer_together(store, calls.clone(), self.now).await;
        let actual: Vec<String> = actual.into_iter().map(|answer| answer.text).collect();
        assert_eq!(actual, expected);
        // A dry run takes part in a group but needs no commit.
        let number = calls.iter().filter(|call| !call.is_dry()).count() as u64;
        let commits = store.stats().commits - commits_before;
        assert!(commits <= number);
        self.grouped += number - commits;
    }

    /// The model's kick mark of a user.
    async fn mark(&self, of: Option<(SdkAppId, UserId)>) -> Option<UnixSeconds> {
        let (app, user_id) = of?;
        self.model.kicked_at(app, &user_id).await.ok().flatten()
    }

    /// All that the store holds, and in how many records it came.
    async fn written(&self) -> (Vec<Contents>, u64) {
        let store = self.subject.store();
        (contents(store).await, store.stats().committed_records)
    }

    /// The store holds what the model holds.
    async fn compare_contents(&mut self) {
        let expected = contents(&self.model).await;
        let actual = contents(self.subject.store()).await;
        self.ids.assert_same_contents(expected, actual);
    }

    /// Sees every id that is given, also those of users who are deleted again soon.
    async fn compare_accounts(&mut self, app: SdkAppId, users: &[UserId]) {
        let Ok(expected) = self.model.accounts(app, users).await else {
            return;
        };
        let actual = self.subject.store().accounts(app, users).await.unwrap();
        self.ids.assert_same(&expected, actual);
    }
}
