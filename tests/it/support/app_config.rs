//! How a [`TestApp`] is set up before it starts.

use std::net::SocketAddr;

use toml::{Table, Value, toml};

use super::app::TestApp;
use super::recorder::Recorder;
use super::services::services;
use super::tls::Pair;

/// Where the program keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// One SQLite file, shared memory in process.
    Embedded,
    /// The shared PostgreSQL and Redis, with a database and key prefix of its own.
    Postgres,
}

/// Settings of a program to start.
pub struct AppBuilder {
    /// The configuration file; without one the program runs on its defaults.
    pub(super) config: Option<Table>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) recorder: Recorder,
    /// Files that the program may open, if fewer than usual.
    pub(super) open_files: Option<u32>,
}

impl AppBuilder {
    /// The embedded or the Postgres store, the recorder as the only upstream, `/` for logged-in
    /// people, `/public` for everybody, the cheapest password hash that is allowed, and attempts without limit: tests
    /// come from one address, and often. Tests of limits choose their own.
    pub fn new(kind: StoreKind) -> Self {
        let recorder = Recorder::start();
        let recorder_address = recorder.address().to_string();
        let config = toml! {
            [server]
            [token]
            [password]
            bcrypt_cost = 10
            [limits]
            address_failures = 0
            network_failures = 0
            account_failures = 0
            registrations = 0
            wrong_secrets = 0
            [log]
            format = "text"
            [[upstream]]
            name = "recorder"
            [[route]]
            path = "/"
            upstream = "recorder"
            access = "authenticated"
            [[route]]
            path = "/public"
            upstream = "recorder"
            access = "public"
        };
        let builder = Self { config: Some(config), environment: Vec::new(), recorder, open_files: None };
        let builder = builder.upstream(&recorder_address);
        match kind {
            StoreKind::Embedded => builder.config("store.kind = 'embedded'"),
            StoreKind::Postgres => {
                let (database, redis) = (services().new_database(), services().redis_url());
                builder.postgres_at(&database, &redis)
            }
        }
    }

    /// No configuration at all but the addresses: as `make run` starts it, with the demo service.
    pub fn unconfigured() -> Self {
        Self { config: None, environment: Vec::new(), recorder: Recorder::start(), open_files: None }
    }

    /// The Postgres store on servers of the test's own, for tests that stop or pause them.
    pub fn postgres_at(self, database_url: &str, redis_url: &str) -> Self {
        let prefix = format!("t{}:", uuid::Uuid::now_v7().simple());
        self.config(&format!(
            "store.kind = 'postgres'\npostgres.url = '{database_url}'\n\
             redis.url = '{redis_url}'\nredis.key_prefix = '{prefix}'"
        ))
    }

    /// TLS with these certificates, the first for clients that name no host.
    pub fn tls(self, certificates: &[Pair]) -> Self {
        let entry = |pair: &Pair| {
            let (chain, key) = (pair.chain.display(), pair.key.display());
            format!("[[certificate]]\ncertificate_file = '{chain}'\nkey_file = '{key}'\n")
        };
        self.config(&certificates.iter().map(entry).collect::<String>())
    }

    /// The only server of the default upstream, `host:port`, instead of the recorder.
    pub fn upstream(mut self, server: &str) -> Self {
        let upstreams = self.table().get_mut("upstream").and_then(Value::as_array_mut);
        let upstream = upstreams.and_then(|all| all.first_mut()).expect("there is a default upstream");
        let servers = Value::Array(vec![Value::String(server.to_owned())]);
        upstream.as_table_mut().expect("an upstream is a table").insert("servers".to_owned(), servers);
        self
    }

    /// One more route to the default upstream. `access`: `public` or `authenticated`.
    pub fn route(self, path: &str, access: &str) -> Self {
        let route = format!("[[route]]\npath = '{path}'\nupstream = 'recorder'\naccess = '{access}'");
        self.config(&route)
    }

    /// None of the routes so far: a test that names all of its own.
    pub fn without_routes(mut self) -> Self {
        self.table().remove("route");
        self
    }

    /// More configuration, in TOML: keys replace those before, `[[route]]` and `[[upstream]]` add.
    pub fn config(mut self, text: &str) -> Self {
        let more: Table = text.parse().unwrap_or_else(|error| panic!("{error} in {text}"));
        merge(self.table(), more);
        self
    }

    /// An environment variable. Nothing but `PATH` is inherited.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lowers the limit of open files, the hard one too.
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Starts the program and waits until it is ready.
    ///
    /// # Panics
    /// With the program's output, when it does not get ready.
    pub async fn start(self) -> TestApp {
        TestApp::start(self).await
    }

    /// Sets the two listening addresses, in the file or, without one, in the environment.
    pub(super) fn listen(&mut self, proxy: SocketAddr, admin: SocketAddr) {
        for (key, address) in [("listen", proxy), ("admin_listen", admin)] {
            if let Some(config) = &mut self.config {
                let server: Table = format!("server.{key} = '{address}'").parse().expect("TOML");
                merge(config, server);
            } else {
                let name = format!("GATEWARD__SERVER__{}", key.to_uppercase());
                self.environment.retain(|(other, _)| *other != name);
                self.environment.push((name, address.to_string()));
            }
        }
    }

    fn table(&mut self) -> &mut Table {
        self.config.as_mut().expect("this program is to run without a configuration file")
    }
}

impl TestApp {
    /// The configuration file as it is.
    pub fn configuration(&self) -> Table {
        let text = std::fs::read_to_string(self.config_file()).expect("the configuration file is there");
        text.parse().expect("the configuration file is TOML")
    }

    /// Changes the configuration file, as [`AppBuilder::config`] does; it counts from the next
    /// [`TestApp::restart`] on.
    pub fn reconfigure(&self, text: &str) {
        let mut config = self.configuration();
        merge(&mut config, text.parse().unwrap_or_else(|error| panic!("{error} in {text}")));
        std::fs::write(self.config_file(), config.to_string()).expect("the configuration file is written");
    }
}

fn merge(into: &mut Table, more: Table) {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(value)) => merge(there, value),
            (Some(Value::Array(there)), Value::Array(value)) if key == "route" || key == "upstream" => {
                there.extend(value);
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
