//! The model: the smallest store that keeps the promises of [`AccountStore`], in memory.
//!
//! Durability aside, whatever this store answers is right, and every other store must answer the
//! same. It favours being plainly correct over being fast: one lock, ordered maps.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Account, AccountStore, App, AppChange, InternalId, NewApp, OpError, ProfileField, SdkAppId,
    StoreError, StoreStats, Tombstone, UnixSeconds, UserId,
    rules::{
        self, Known, Write,
        app::AppRefusal,
        delete::{DeleteRefusal, Deletion},
        import::{ImportOutcome, ImportRefusal, ImportRequest, Stored},
        kick::KickRefusal,
        profile::ProfileRefusal,
    },
};

/// An [`AccountStore`] in memory, gone when dropped.
#[derive(Default)]
pub struct ReferenceStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    apps: BTreeMap<SdkAppId, Tenant>,
    last_id: Option<InternalId>,
    kicks: u64,
}

struct Tenant {
    app: Arc<App>,
    accounts: BTreeMap<UserId, Account>,
    tombstones: BTreeMap<UserId, Tombstone>,
}

impl State {
    fn tenant(&self, app: SdkAppId) -> Result<&Tenant, StoreError> {
        self.apps.get(&app).ok_or(StoreError::UnknownApp(app))
    }

    /// The tenant to change and the source of fresh internal ids beside it.
    fn tenant_mut(
        &mut self,
        app: SdkAppId,
    ) -> Result<(&mut Tenant, impl FnMut() -> InternalId), StoreError> {
        let tenant = self.apps.get_mut(&app).ok_or(StoreError::UnknownApp(app))?;
        Ok((tenant, new_id(&mut self.last_id)))
    }
}

fn new_id(last_id: &mut Option<InternalId>) -> impl FnMut() -> InternalId {
    || *last_id.insert(last_id.map_or(InternalId::FIRST, InternalId::next))
}

impl Tenant {
    fn known(&self, user_id: &UserId) -> Known {
        if let Some(account) = self.accounts.get(user_id) {
            return Known::Account(account.clone());
        }
        match self.tombstones.get(user_id) {
            Some(tombstone) => Known::Deleted(tombstone.clone()),
            None => Known::Nothing,
        }
    }

    fn carry_out(&mut self, writes: impl IntoIterator<Item = Write>) {
        for write in writes {
            match write {
                Write::Create { account, .. } | Write::Update(account) => {
                    self.tombstones.remove(&account.user_id);
                    self.accounts.insert(account.user_id, account);
                }
                Write::Delete(tombstone) => {
                    self.accounts.remove(&tombstone.user_id);
                    self.tombstones.insert(tombstone.user_id, tombstone);
                }
            }
        }
    }

    /// Accounts that count against the cap (wire §5).
    fn counted(&self) -> u64 {
        self.accounts
            .keys()
            .filter(|user_id| !user_id.is_administrator())
            .count() as u64
    }
}

impl ReferenceStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AccountStore for ReferenceStore {
    async fn import(
        &self,
        app: SdkAppId,
        request: ImportRequest,
        now: UnixSeconds,
    ) -> Result<ImportOutcome, OpError<ImportRefusal>> {
        let mut state = self.state();
        let (tenant, new_id) = state.tenant_mut(app)?;
        let stored = request
            .entries()
            .iter()
            .map(|entry| Stored::Known(tenant.known(&entry.user_id)))
            .collect();
        let (writes, outcome) =
            rules::import::plan(&tenant.app, tenant.counted(), request, stored, now, new_id)
                .map_err(OpError::Refused)?;
        tenant.carry_out(writes);
        Ok(outcome)
    }

    async fn check(&self, app: SdkAppId, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let state = self.state();
        let tenant = state.tenant(app)?;
        Ok(users
            .iter()
            .map(|user_id| tenant.accounts.contains_key(user_id))
            .collect())
    }

    async fn accounts(
        &self,
        app: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Option<Account>>, StoreError> {
        let state = self.state();
        let tenant = state.tenant(app)?;
        Ok(users
            .iter()
            .map(|user_id| tenant.accounts.get(user_id).cloned())
            .collect())
    }

    async fn set_profile(
        &self,
        app: SdkAppId,
        user_id: UserId,
        fields: Vec<ProfileField>,
        now: UnixSeconds,
    ) -> Result<(), OpError<ProfileRefusal>> {
        let mut state = self.state();
        let (tenant, _) = state.tenant_mut(app)?;
        let write =
            rules::profile::plan(tenant.known(&user_id), fields, now).map_err(OpError::Refused)?;
        tenant.carry_out(write);
        Ok(())
    }

    async fn delete(
        &self,
        app: SdkAppId,
        users: Vec<UserId>,
        now: UnixSeconds,
    ) -> Result<Vec<Deletion>, OpError<DeleteRefusal>> {
        let mut state = self.state();
        let (tenant, _) = state.tenant_mut(app)?;
        let known = users.iter().map(|user_id| tenant.known(user_id)).collect();
        let (writes, deletions) =
            rules::delete::plan(&tenant.app, &users, known, now).map_err(OpError::Refused)?;
        tenant.carry_out(writes);
        Ok(deletions)
    }

    async fn kick(
        &self,
        app: SdkAppId,
        user_id: UserId,
        now: UnixSeconds,
    ) -> Result<(), OpError<KickRefusal>> {
        let mut state = self.state();
        let (tenant, _) = state.tenant_mut(app)?;
        let write = rules::kick::plan(tenant.known(&user_id), now).map_err(OpError::Refused)?;
        tenant.carry_out(write);
        state.kicks += 1;
        Ok(())
    }

    async fn kicked_at(
        &self,
        app: SdkAppId,
        user_id: &UserId,
    ) -> Result<Option<UnixSeconds>, StoreError> {
        Ok(self.state().tenant(app)?.known(user_id).kicked_at())
    }

    fn kicks(&self) -> u64 {
        self.state().kicks
    }

    async fn page(
        &self,
        app: SdkAppId,
        after: Option<InternalId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let state = self.state();
        let mut accounts: Vec<Account> = state.tenant(app)?.accounts.values().cloned().collect();
        accounts.retain(|account| Some(account.internal_id) > after);
        accounts.sort_by_key(|account| account.internal_id);
        accounts.truncate(limit);
        Ok(accounts)
    }

    async fn count(&self, app: SdkAppId) -> Result<u64, StoreError> {
        Ok(self.state().tenant(app)?.accounts.len() as u64)
    }

    async fn app(&self, app: SdkAppId) -> Result<Option<Arc<App>>, StoreError> {
        Ok(self.state().apps.get(&app).map(|tenant| tenant.app.clone()))
    }

    async fn apps(&self) -> Result<Vec<Arc<App>>, StoreError> {
        Ok(self
            .state()
            .apps
            .values()
            .map(|tenant| tenant.app.clone())
            .collect())
    }

    async fn create_app(
        &self,
        new: NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let mut state = self.state();
        let State { apps, last_id, .. } = &mut *state;
        let existing = apps.get(&new.sdkappid).map(|tenant| &*tenant.app);
        let (app, write) =
            rules::app::create(existing, new, now, new_id(last_id)).map_err(OpError::Refused)?;
        let app = Arc::new(app);
        let mut tenant = Tenant {
            app: app.clone(),
            accounts: BTreeMap::new(),
            tombstones: BTreeMap::new(),
        };
        tenant.carry_out([write]);
        apps.insert(app.sdkappid, tenant);
        Ok(app)
    }

    async fn change_app(
        &self,
        app: SdkAppId,
        change: AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, OpError<AppRefusal>> {
        let mut state = self.state();
        let (tenant, new_id) = state.tenant_mut(app)?;
        let known = change
            .new_admin()
            .map_or(Known::Nothing, |user_id| tenant.known(user_id));
        let (changed, write) = rules::app::change(&tenant.app, change, known, now, new_id)
            .map_err(OpError::Refused)?;
        tenant.carry_out(write);
        tenant.app = Arc::new(changed);
        Ok(tenant.app.clone())
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn stopped(&self) -> StoreError {
        std::future::pending().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// For looking at.
    fn back_up(&self, out: &mut dyn io::Write) -> Result<(), StoreError> {
        let state = self.state();
        for tenant in state.apps.values() {
            let written = writeln!(out, "{:?} {:?}", tenant.app, tenant.accounts);
            written.map_err(|error| StoreError::Failed(error.to_string().into()))?;
        }
        Ok(())
    }

    fn stats(&self) -> StoreStats {
        let accounts = self
            .state()
            .apps
            .values()
            .map(|tenant| tenant.accounts.len() as u64)
            .sum();
        StoreStats {
            accounts,
            ..StoreStats::default()
        }
    }
}
