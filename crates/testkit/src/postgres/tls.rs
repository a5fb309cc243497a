//! A server that speaks TLS.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{ADMIN_DATABASE, Postgres, process::wait_until};

impl Postgres {
    /// Lets it speak TLS from now on, to those who ask for it, with a certificate and its private key,
    /// both in PEM form.
    pub fn speak_tls(&self, certificate: &str, key: &str) {
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.home.data().join(name);
            fs::write(&path, text).expect("a place for the certificate");
            // PostgreSQL takes no key that others can read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                .expect("an own file's mode can be set");
        }
        self.home.give_away();
        self.sql(ADMIN_DATABASE, "ALTER SYSTEM SET ssl = on");
        self.sql(ADMIN_DATABASE, "SELECT pg_reload_conf()");
        wait_until("PostgreSQL speaks TLS", || {
            let is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            self.sql(ADMIN_DATABASE, is_encrypted) == "t"
        });
    }
}
