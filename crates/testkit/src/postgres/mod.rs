//! A private PostgreSQL for tests, with durability as in earnest.
//!
//! [`Postgres::start`] makes a new cluster in a temporary directory; [`shared`] is one for all tests of
//! a process, each of which then makes a database of its own. The server ends with the process that
//! started it, however that ends, and its directory is removed.
//!
//! ```no_run
//! let postgres = muster_testkit::postgres::shared();
//! let url = postgres.new_database();
//! postgres.sql(&url, "CREATE TABLE account (user_id text PRIMARY KEY)");
//! ```
//!
//! Needs Linux with PostgreSQL as Debian packs it (`apt-get install postgresql`). As root it runs as the
//! user `postgres`.

mod home;
mod installed;
mod process;
mod standby;
mod tls;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use rustix::process::Signal;

use self::{
    home::Home,
    process::{LOOK_EVERY, end, kill, program, run, spawn, succeed, without_settings},
};
pub use self::{installed::newest, standby::Replication};
use crate::PATIENCE;

/// The only address it listens on. It has no Unix socket: only who knows the password gets in.
const HOST: &str = "127.0.0.1";

/// Who may do everything in the cluster.
const SUPERUSER: &str = "muster_test";

/// The database that is there from the start, for statements that are about no database.
const ADMIN_DATABASE: &str = "postgres";

/// Where free ports are looked for: below those that Linux gives to clients, so that none of them takes
/// the port while the server is down. A client that tries to connect could even meet itself there.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before a start is given up.
const PORT_TRIES: u32 = 20;

/// What differs from the defaults; durability does not. Shared memory is kept in the data directory,
/// where nothing of it stays behind after a kill.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = '32MB'
dynamic_shared_memory_type = mmap
log_min_messages = warning
wal_level = replica
max_wal_senders = 4
wal_keep_size = '128MB'
hot_standby = on
";

/// How much of a log is shown when a start fails.
const LOG_LIMIT_BYTES: usize = 4000;

/// A cluster and its server. Dropping it ends the server and removes the directory.
pub struct Postgres {
    bin: PathBuf,
    home: Home,
    password: String,
    port: u16,
    postmaster: Option<Child>,
}

/// The cluster that all tests of this process share. No test can stop it.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(Postgres::start)
}

/// The URL of a database of the shared cluster that goes with a data directory: always the same.
pub fn database_of(data_dir: &Path) -> String {
    static DATABASES: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    let mut databases = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || shared().new_database();
    databases
        .entry(data_dir.to_owned())
        .or_insert_with(new)
        .clone()
}

impl Postgres {
    /// Makes a new cluster with the newest PostgreSQL that is installed, starts it on a free port and
    /// waits until it takes connections.
    ///
    /// # Panics
    ///
    /// If PostgreSQL is not installed, or does not start, with the end of what it said.
    pub fn start() -> Self {
        let bin = newest().expect(
            "PostgreSQL is not in /usr/lib/postgresql; install it: apt-get install postgresql",
        );
        let home = Home::new();
        let password = password();
        let password_file = home.path().join("password");
        fs::write(&password_file, &password).expect("a place for the password");
        home.give_away();
        let mut initdb = program(&bin.join("initdb"), "KILL");
        initdb
            .args(["--encoding=UTF8", "--no-locale", "--no-sync"])
            .args(["--auth=scram-sha-256", "--username", SUPERUSER, "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(home.data())
            .current_dir(home.path());
        succeed("initdb", &mut initdb);
        fs::remove_file(&password_file).expect("the password's file is there");
        File::options()
            .append(true)
            .open(home.data().join("postgresql.conf"))
            .and_then(|mut file| file.write_all(settings(&bin).as_bytes()))
            .expect("the settings can be written");
        Self::start_in(bin, home, password)
    }

    /// Starts the server of a directory that has its data, on a free port.
    fn start_in(bin: PathBuf, home: Home, password: String) -> Self {
        let mut postgres = Self {
            bin,
            home,
            password,
            port: 0,
            postmaster: None,
        };
        for _ in 0..PORT_TRIES {
            postgres.port = free_port();
            match postgres.launch() {
                Ok(()) => return postgres,
                // Somebody else was quicker.
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("PostgreSQL does not start: {said}"),
            }
        }
        panic!("PostgreSQL finds no free port in {PORTS:?}");
    }

    /// Starts the server. If it ends instead of taking connections, says what it said.
    fn launch(&mut self) -> Result<(), String> {
        let log = self.home.log_file();
        let logged_before = self.log().len();
        // SIGQUIT is the quickest end after which it has cleared its shared memory away.
        let mut postgres = program(&self.bin.join("postgres"), "QUIT");
        postgres
            .arg("-D")
            .arg(self.home.data())
            .args(["-p", &self.port.to_string()])
            .current_dir(self.home.path())
            .stdout(log.try_clone().expect("the log can be opened twice"))
            .stderr(log);
        let mut postmaster = spawn(postgres).expect("setpriv, of util-linux, can be started");
        let deadline = Instant::now() + PATIENCE;
        while !self.takes_connections(postmaster.id()) {
            let ended = postmaster.try_wait().expect("a child can be waited for");
            let is_late = Instant::now() > deadline;
            if ended.is_none() && is_late {
                self.kill_all(&mut postmaster);
            }
            if ended.is_some() || is_late {
                let said = self.log().split_off(logged_before);
                let how = ended.map_or("no connections yet".to_owned(), |it| it.to_string());
                return Err(format!("{how}\n{}", tail(&said)));
            }
            thread::sleep(LOOK_EVERY);
        }
        self.postmaster = Some(postmaster);
        Ok(())
    }

    /// Whether it says so in its file of the postmaster, as `pg_ctl` has it. At the port there may be
    /// somebody else's server.
    fn takes_connections(&self, pid: u32) -> bool {
        let lines = self.postmaster_file();
        let line = |number: usize| lines.get(number).map(String::as_str);
        line(0) == Some(&pid.to_string()) && line(7) == Some("ready")
    }

    /// The lines of the file in which the postmaster says how it is, without their padding.
    fn postmaster_file(&self) -> Vec<String> {
        let file = self.home.data().join("postmaster.pid");
        let said = fs::read_to_string(file).unwrap_or_default();
        said.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The port on 127.0.0.1. It stays the same for the cluster's life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster.as_ref().map(Child::id)
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.home.data()
    }

    /// What it has written to its standard error in all its starts: warnings and worse.
    pub fn log(&self) -> String {
        self.home.log()
    }

    /// The URL of a database, as its superuser, password included. Instead of the name it takes the URL
    /// that another cluster gave it, as a standby's primary.
    pub fn url(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        let database = name_of(database);
        format!("postgres://{SUPERUSER}:{password}@{HOST}:{port}/{database}")
    }

    /// Makes an empty database of a name that no other has, and gives its URL.
    pub fn new_database(&self) -> String {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let database = format!("test_{number}");
        // Nobody is connected to template0, which would keep others from copying it.
        let statement = format!("CREATE DATABASE {database} TEMPLATE template0");
        self.sql(ADMIN_DATABASE, &statement);
        self.url(&database)
    }

    /// Runs statements in one transaction, in a database given by name or URL, and gives the rows of
    /// the last one as lines, with `|` between columns.
    ///
    /// # Panics
    ///
    /// If one fails, with what the server says.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        match self.try_sql(database, statements) {
            Ok(rows) => rows,
            Err(said) => panic!("a statement failed: {said}\n{statements}"),
        }
    }

    /// As [`sql`](Self::sql), but a failure is returned as what `psql` says.
    pub fn try_sql(&self, database: &str, statements: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"));
        without_settings(&mut psql);
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--no-password", "--set", "ON_ERROR_STOP=1"])
            .args(["--host", HOST, "--port", &self.port.to_string()])
            .args(["--username", SUPERUSER, "--dbname", name_of(database)])
            .args(["--command", statements])
            .env("PGPASSWORD", &self.password);
        Ok(run(&mut psql)?.trim_end().to_owned())
    }

    /// Kills the server and all its processes at once, as a crash of the machine would, and waits until
    /// they are gone. What the operating system was given to write is not lost.
    pub fn kill(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            self.kill_all(&mut postmaster);
        }
    }

    /// Its small piece of System V shared memory is nobody's then, and would be there for ever.
    fn kill_all(&self, postmaster: &mut Child) {
        kill(postmaster);
        if let Some(memory) = self.postmaster_file().get(6) {
            // As in `10076165    163850`: its key and its number.
            let number = memory.split_whitespace().nth(1).unwrap_or_default();
            // It may not have come so far as to have any.
            let _ = run(Command::new("ipcrm").args(["--shmem-id", number]));
        }
    }

    /// Stops the server in order: it ends its connections and writes everything.
    ///
    /// # Panics
    ///
    /// If it does not end well within two minutes.
    pub fn stop(&mut self) {
        let Some(mut postmaster) = self.postmaster.take() else {
            return;
        };
        let status = end(&mut postmaster, Signal::INT);
        if status.is_none() {
            self.kill_all(&mut postmaster);
        }
        assert!(
            status.is_some_and(|status| status.success()),
            "PostgreSQL does not stop well ({status:?}):\n{}",
            tail(&self.log())
        );
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port and with
    /// the same data, and waits until it takes connections.
    ///
    /// # Panics
    ///
    /// If it runs, or does not start, with the end of what it said.
    pub fn start_again(&mut self) {
        assert!(self.postmaster.is_none(), "PostgreSQL runs already");
        if let Err(said) = self.launch() {
            panic!("PostgreSQL does not start again: {said}");
        }
    }

    /// Stops it and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take()
            && end(&mut postmaster, Signal::QUIT).is_none()
        {
            self.kill_all(&mut postmaster);
        }
    }
}

fn settings(bin: &Path) -> String {
    let mut settings = SETTINGS.to_owned();
    if bin.join("../lib/pg_stat_statements.so").is_file() {
        settings.push_str("shared_preload_libraries = 'pg_stat_statements'\n");
    }
    settings
}

fn password() -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the operating system has random bytes");
    random.iter().fold(String::new(), |mut password, byte| {
        write!(password, "{byte:02x}").expect("a string can be written to");
        password
    })
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    loop {
        let random = getrandom::u32().expect("the operating system has random bytes");
        let among = u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random % among).expect("ports are 16 bits");
        if TcpListener::bind((HOST, port)).is_ok() {
            return port;
        }
    }
}

/// The name of a database that is given by name or URL.
fn name_of(database: &str) -> &str {
    database.rsplit('/').next().unwrap_or(database)
}

fn tail(said: &str) -> &str {
    let from = said.len().saturating_sub(LOG_LIMIT_BYTES);
    said[said.ceil_char_boundary(from)..].trim()
}
