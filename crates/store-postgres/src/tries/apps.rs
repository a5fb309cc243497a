//! Apps: made and changed.

use std::sync::Arc;

use deadpool_postgres::Client;
use muster_accounts::{
    App, AppChange, NewApp, SdkAppId, StoreError, UnixSeconds,
    rules::{self, Known, Write, app::AppRefusal},
};

use super::known_of;
use crate::{
    Shared,
    apps::Revised,
    change::Change,
    retry::Failure,
    statements::{Also, StoredUsers},
};

impl Shared {
    pub(crate) async fn try_create_app(
        &self,
        client: &mut Client,
        new: &NewApp,
        now: UnixSeconds,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let id = self.ids.take(client, 1).await?[0];
        let change = Change::begin(client).await?;
        let existing = change.app_locked(new.sdkappid).await?;
        let existing = existing.as_ref().map(|revised| &*revised.app);
        let plan = rules::app::create(existing, new.clone(), now, || id);
        let (app, write) = plan.map_err(Failure::Refused)?;
        let revised = Revised {
            app: Arc::new(app),
            revision: 0,
        };
        self.write_app(change, revised, &[write], &StoredUsers::new())
            .await
    }

    pub(crate) async fn try_change_app(
        &self,
        client: &mut Client,
        app: SdkAppId,
        asked: &AppChange,
        now: UnixSeconds,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let id = self.ids.take(client, 1).await?[0];
        let change = Change::begin(client).await?;
        let found = change.app_locked(app).await?;
        let before = found.ok_or(StoreError::UnknownApp(app))?;
        let new_admin = asked.new_admin();
        let stored = change.users(app, new_admin.into_iter()).await?;
        let of_admin = new_admin.map_or(Known::Nothing, |user_id| known_of(&stored, user_id));
        let plan = rules::app::change(&before.app, asked.clone(), of_admin, now, || id);
        let (changed, write) = plan.map_err(Failure::Refused)?;
        let revised = Revised {
            app: Arc::new(changed),
            revision: before.revision + 1,
        };
        self.write_app(change, revised, &Vec::from_iter(write), &stored)
            .await
    }

    async fn write_app(
        &self,
        mut change: Change<'_>,
        revised: Revised,
        writes: &[Write],
        stored: &StoredUsers,
    ) -> Result<Arc<App>, Failure<AppRefusal>> {
        let sdkappid = revised.app.sdkappid;
        change.put_app(&revised).await?;
        change.put(sdkappid, writes, stored, Also::Nothing).await?;
        change.commit(self).await?;
        let app = revised.app.clone();
        self.apps.put(revised);
        self.ring();
        Ok(app)
    }
}
