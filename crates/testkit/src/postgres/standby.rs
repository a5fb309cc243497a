//! A second server that follows the first, to fail over to.

use std::{fs::File, io::Write as _};

use super::{
    ADMIN_DATABASE, HOST, Home, Postgres, SUPERUSER,
    process::{program, succeed, wait_until},
};

/// Whether a commit waits for the standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// It does not: what the standby has not yet been sent is lost with the primary.
    Asynchronous,
    /// It does, until the standby has written and synced it.
    Synchronous,
}

impl Postgres {
    /// Starts a streaming standby of this one, with a directory and a port of its own, and waits until
    /// it takes connections. If it is to be synchronous, every commit from now on waits for it.
    ///
    /// Its password is the same, so that [`url`](Self::url) of it names the same database there.
    #[must_use = "dropping it ends it"]
    pub fn standby(&self, replication: Replication) -> Postgres {
        let home = Home::new();
        home.give_away();
        let mut backup = program(&self.bin.join("pg_basebackup"), "KILL");
        backup
            .args(["--no-password", "--checkpoint=fast", "--no-sync"])
            // Also how to follow this one, the password included.
            .args(["--wal-method=stream", "--write-recovery-conf"])
            .args(["--host", HOST, "--port", &self.port.to_string()])
            .args(["--username", SUPERUSER, "--pgdata"])
            .arg(home.data())
            .current_dir(home.path())
            .env("PGPASSWORD", &self.password);
        succeed("pg_basebackup", &mut backup);
        // Once it is promoted, it has no standby to wait for; the setting came along if this one has.
        let settings = home.data().join("postgresql.auto.conf");
        File::options()
            .append(true)
            .open(settings)
            .and_then(|mut file| file.write_all(b"synchronous_standby_names = ''\n"))
            .expect("the settings can be written");
        let standby = Self::start_in(self.bin.clone(), home, self.password.clone());
        if replication == Replication::Synchronous {
            self.wait_for_standbys();
        }
        standby
    }

    /// Makes every commit wait for a standby.
    fn wait_for_standbys(&self) {
        self.sql(
            ADMIN_DATABASE,
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
        );
        self.sql(ADMIN_DATABASE, "SELECT pg_reload_conf()");
        wait_until("a standby is synchronous", || {
            let states = "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'";
            self.sql(ADMIN_DATABASE, states) == "t"
        });
        // Commits wait once the checkpointer has read the settings, which it does before it does this.
        self.sql(ADMIN_DATABASE, "CHECKPOINT");
    }

    /// Waits until this standby has everything that is committed on `primary` now, and shows it.
    pub fn catch_up_with(&self, primary: &Postgres) {
        let position = primary.sql(ADMIN_DATABASE, "SELECT pg_current_wal_flush_lsn()");
        let is_there = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
        wait_until("the standby has caught up", || {
            self.sql(ADMIN_DATABASE, &is_there) == "t"
        });
    }

    /// Makes this standby a primary and waits until it takes writes.
    pub fn promote(&mut self) {
        let promoted = self.sql(ADMIN_DATABASE, "SELECT pg_promote()");
        assert_eq!(promoted, "t", "not promoted:\n{}", self.log());
    }
}
