//! Every set-up: how it is started, and which rows it gives.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::place::Place;
use super::process::{Process, free_address};
use super::tokens::{Algorithm, Tokens, pem, public_key, revocation_map};
use super::{bare, proof};

/// Log filters of the gateway: as it comes, and without access lines.
const LINES: &str = "info";
const NO_LINES: &str = "info,gateward::access=off";
const MILLION: usize = 1_000_000;

/// What is driven in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// Without a token.
    Public,
    /// The same few tokens again and again.
    Warm,
    /// Every token once.
    Cold,
}

/// What stands in the table for a row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub key: &'static str,
    pub name: &'static str,
    pub drive: Drive,
}

/// A way of proxying.
pub struct Setup {
    pub name: &'static str,
    /// A program without which there is no such set-up.
    pub needs: &'static [&'static str],
    pub algorithm: Option<Algorithm>,
    pub kind: Kind,
    pub rows: &'static [Row],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Bare,
    Gateward { level: &'static str, revocations: usize },
    HaproxyTokens { revocations: usize },
    NginxChecker,
}

const fn row(key: &'static str, name: &'static str, drive: Drive) -> Row {
    Row { key, name, drive }
}

/// All of them, in the order of the table.
pub const SETUPS: &[Setup] = &[
    Setup {
        name: "nginx",
        needs: &["nginx"],
        algorithm: None,
        kind: Kind::Nginx,
        rows: &[row("nginx", "nginx, plain", Drive::Public)],
    },
    Setup {
        name: "haproxy",
        needs: &["haproxy"],
        algorithm: None,
        kind: Kind::Haproxy,
        rows: &[row("haproxy", "HAProxy, plain", Drive::Public)],
    },
    Setup {
        name: "pingora",
        needs: &[],
        algorithm: None,
        kind: Kind::Bare,
        rows: &[row("pingora", "pingora, bare", Drive::Public)],
    },
    Setup {
        name: "gateward-hs256",
        needs: &[],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::Gateward { level: NO_LINES, revocations: 0 },
        rows: &[
            row("public-hs256", "Gateward, public route", Drive::Public),
            row("warm-hs256", "Gateward, protected, warm HS256", Drive::Warm),
            row("cold-hs256", "Gateward, protected, cold HS256", Drive::Cold),
        ],
    },
    Setup {
        name: "gateward-es256",
        needs: &[],
        algorithm: Some(Algorithm::Es256),
        kind: Kind::Gateward { level: NO_LINES, revocations: 0 },
        rows: &[
            row("public-es256", "Gateward, public route, beside ES256", Drive::Public),
            row("warm-es256", "Gateward, protected, warm ES256", Drive::Warm),
            row("cold-es256", "Gateward, protected, cold ES256", Drive::Cold),
        ],
    },
    Setup {
        name: "gateward-eddsa",
        needs: &[],
        algorithm: Some(Algorithm::EdDsa),
        kind: Kind::Gateward { level: NO_LINES, revocations: 0 },
        rows: &[
            row("public-eddsa", "Gateward, public route, beside EdDSA", Drive::Public),
            row("warm-eddsa", "Gateward, protected, warm EdDSA", Drive::Warm),
            row("cold-eddsa", "Gateward, protected, cold EdDSA", Drive::Cold),
        ],
    },
    Setup {
        name: "gateward-million",
        needs: &[],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::Gateward { level: NO_LINES, revocations: MILLION },
        rows: &[row("million-hs256", "Gateward, warm HS256, a million revocations", Drive::Warm)],
    },
    Setup {
        name: "gateward-log",
        needs: &[],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::Gateward { level: LINES, revocations: 0 },
        rows: &[row("log-hs256", "Gateward, warm HS256, access lines on (the default)", Drive::Warm)],
    },
    Setup {
        name: "haproxy-hs256",
        needs: &["haproxy"],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::HaproxyTokens { revocations: 0 },
        rows: &[row("haproxy-hs256", "HAProxy, HS256, empty revocation map", Drive::Warm)],
    },
    Setup {
        name: "haproxy-million",
        needs: &["haproxy"],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::HaproxyTokens { revocations: MILLION },
        rows: &[row("haproxy-million", "HAProxy, HS256, a million revocations", Drive::Warm)],
    },
    Setup {
        name: "haproxy-es256",
        needs: &["haproxy"],
        algorithm: Some(Algorithm::Es256),
        kind: Kind::HaproxyTokens { revocations: 0 },
        rows: &[row("haproxy-es256", "HAProxy, ES256, empty revocation map", Drive::Warm)],
    },
    Setup {
        name: "fastapi",
        needs: &["nginx", "redis-server", "uvicorn"],
        algorithm: Some(Algorithm::Hs256),
        kind: Kind::NginxChecker,
        rows: &[row("fastapi", "nginx `auth_request`, FastAPI + PyJWT + Redis, HS256", Drive::Warm)],
    },
];

/// A set-up that runs.
pub struct Running {
    pub processes: Vec<Process>,
    pub address: SocketAddr,
}

/// What all set-ups share: the service, and the tokens.
pub struct World<'a> {
    pub place: &'a Place,
    pub service: SocketAddr,
    pub tokens: BTreeMap<&'static str, Tokens>,
    /// Of ES256 tokens, for proxies that want a file.
    public_key: PathBuf,
    _service: Process,
}

impl<'a> World<'a> {
    /// Starts the service, and makes the tokens that the set-ups need.
    pub fn new(place: &'a Place, setups: &[&Setup], cold: usize) -> Self {
        let service = free_address();
        let file = place.fill("upstream.conf", "upstream.conf", &[("LISTEN", &service.to_string()), user()]);
        let log = place.file("upstream.log");
        let mut process = start_nginx(place, &place.load_cores, &file, "upstream.log");
        process.wait_for(service, &log);
        let mut world = Self {
            place,
            service,
            tokens: BTreeMap::new(),
            public_key: place.file("es256.pem"),
            _service: process,
        };
        for algorithm in [Algorithm::Hs256, Algorithm::Es256, Algorithm::EdDsa] {
            if setups.iter().any(|setup| setup.algorithm == Some(algorithm)) {
                eprintln!("peers: {} tokens", algorithm.name());
                world.tokens.insert(algorithm.name(), Tokens::new(place, algorithm, cold));
            }
        }
        let asymmetric = world.tokens.values().filter(|tokens| tokens.secret.is_none());
        let keys: Vec<_> = asymmetric.map(|tokens| (tokens.algorithm, world.published_key(tokens))).collect();
        for (algorithm, key) in keys {
            if algorithm == Algorithm::Es256 {
                std::fs::write(&world.public_key, pem(&key)).unwrap();
            }
            world.tokens.get_mut(algorithm.name()).unwrap().key = URL_SAFE_NO_PAD.encode(key);
        }
        world.tokens.values().for_each(Tokens::wait_for_expiry);
        world
    }

    fn published_key(&self, tokens: &Tokens) -> Vec<u8> {
        let gateway = self.gateward(tokens, NO_LINES, 0);
        let (_, keys) = proof::get(gateway.address, "/.well-known/jwks.json", &[]);
        public_key(&keys)
    }

    /// The tokens that a set-up is driven with.
    pub fn tokens_of(&self, setup: &Setup) -> Option<&Tokens> {
        self.tokens.get(setup.algorithm?.name())
    }

    /// Starts a set-up.
    pub fn start(&self, setup: &Setup) -> Running {
        let tokens = || self.tokens_of(setup).unwrap();
        match setup.kind {
            Kind::Nginx => {
                let listen = free_address();
                self.nginx("nginx.conf", listen, &[])
            }
            Kind::Haproxy => self.haproxy("haproxy.cfg", &[]),
            Kind::Bare => self.bare(),
            Kind::Gateward { level, revocations } => self.gateward(tokens(), level, revocations),
            Kind::HaproxyTokens { revocations } => self.haproxy_tokens(tokens(), revocations),
            Kind::NginxChecker => self.checker(tokens()),
        }
    }

    fn nginx(&self, template: &str, listen: SocketAddr, more: &[(&str, &str)]) -> Running {
        let (address, service) = (listen.to_string(), self.service.to_string());
        let values = [&[("LISTEN", address.as_str()), ("SERVICE", &service), user()][..], more].concat();
        let file = self.place.fill(template, template, &values);
        let mut process = start_nginx(self.place, &self.place.proxy_cores, &file, "nginx.log");
        process.wait_for(listen, &self.place.file("nginx.log"));
        Running { processes: vec![process], address: listen }
    }

    fn haproxy(&self, template: &str, more: &[(&str, &str)]) -> Running {
        let listen = free_address();
        let (address, service) = (listen.to_string(), self.service.to_string());
        let values = [&[("LISTEN", address.as_str()), ("SERVICE", &service)][..], more].concat();
        let file = self.place.fill(template, template, &values);
        let log = self.place.file("haproxy.log");
        let program = Place::program("haproxy").unwrap();
        let arguments = ["-db", "-f", file.to_str().unwrap()];
        let mut process = Process::start(&self.place.proxy_cores, &program, &arguments, &log);
        process.wait_for(listen, &log);
        Running { processes: vec![process], address: listen }
    }

    fn bare(&self) -> Running {
        let (listen, log) = (free_address(), self.place.file("bare.log"));
        let program = std::env::current_exe().unwrap();
        let arguments = [bare::MODE, &listen.to_string(), &self.service.to_string()];
        let mut process = Process::start(&self.place.proxy_cores, &program, &arguments, &log);
        process.wait_for(listen, &log);
        Running { processes: vec![process], address: listen }
    }

    fn gateward(&self, tokens: &Tokens, level: &str, revocations: usize) -> Running {
        let data = if revocations == 0 { tokens.data.clone() } else { self.filled(tokens, revocations) };
        let config = tokens.config(self.place, self.service, level, &data);
        let log = self.place.file("gateward.log");
        let arguments = ["--config", config.to_str().unwrap(), "serve"];
        let mut process = Process::start(&self.place.proxy_cores, &self.place.gateward, &arguments, &log);
        process.wait_for(tokens.listen, &log);
        Running { processes: vec![process], address: tokens.listen }
    }

    /// A copy of the data with so many sessions that ended; made once.
    fn filled(&self, tokens: &Tokens, revocations: usize) -> String {
        let data = format!("{}-{revocations}", tokens.data);
        let (from, to) = (self.place.file(&tokens.data), self.place.file(&data));
        if !to.exists() {
            std::fs::create_dir(&to).unwrap();
            for file in std::fs::read_dir(from).unwrap().flatten() {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
            let mut connection = rusqlite::Connection::open(to.join("gateward.db")).unwrap();
            let transaction = connection.transaction().unwrap();
            let fill = format!(
                "WITH RECURSIVE n (number) AS \
                   (SELECT last + 1 FROM revocation_counter UNION ALL SELECT number + 1 FROM n LIMIT {revocations}) \
                 INSERT INTO revocations (number, session_id, session_expires_at, revoked_at, reason) \
                 SELECT number, randomblob(16), (unixepoch() + 86400) * 1000, unixepoch() * 1000, 'logout' FROM n; \
                 UPDATE revocation_counter SET last = last + {revocations}"
            );
            transaction.execute_batch(&fill).unwrap();
            transaction.commit().unwrap();
        }
        data
    }

    fn haproxy_tokens(&self, tokens: &Tokens, revocations: usize) -> Running {
        let map = self.place.file(&format!("revoked-{}-{revocations}", tokens.algorithm.name()));
        if !map.exists() {
            revocation_map(&map, &super::tokens::session(&tokens.revoked), revocations);
        }
        let key = tokens.secret.clone().unwrap_or_else(|| self.public_key.to_str().unwrap().to_owned());
        let values =
            [("ALG", tokens.algorithm.name()), ("KEY", key.as_str()), ("MAP", map.to_str().unwrap())];
        self.haproxy("haproxy-jwt.cfg", &values)
    }

    /// All three programs share the cores of the proxy.
    fn checker(&self, tokens: &Tokens) -> Running {
        let (redis, checker, listen) = (free_address(), free_address(), free_address());
        let log = self.place.file("redis.log");
        let port = redis.port().to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let program = Place::program("redis-server").unwrap();
        let mut store = Process::start(&self.place.proxy_cores, &program, &arguments, &log);
        store.wait_for(redis, &log);
        fill_redis(redis, &tokens.sessions());

        let log = self.place.file("checker.log");
        let program = Place::program("env").unwrap();
        let uvicorn = super::place::uvicorn().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");
        let arguments = [
            "PYTHONDONTWRITEBYTECODE=1",
            &format!("CHECKER_SECRET={}", tokens.secret.as_ref().unwrap()),
            &format!("CHECKER_REDIS_PORT={port}"),
            uvicorn.to_str().unwrap(),
            "checker:app",
            "--app-dir",
            folder,
            "--port",
            &checker.port().to_string(),
            "--no-access-log",
            "--workers",
            "1",
        ];
        let mut service = Process::start(&self.place.proxy_cores, &program, &arguments, &log);
        service.wait_for(checker, &log);
        let mut running = self.nginx("nginx-auth.conf", listen, &[("CHECKER", &checker.to_string())]);
        running.processes.extend([store, service]);
        running
    }
}

fn start_nginx(place: &Place, cores: &str, file: &std::path::Path, log: &str) -> Process {
    let program = Place::program("nginx").unwrap();
    let folder = place.file("");
    let arguments = ["-p", folder.to_str().unwrap(), "-c", file.to_str().unwrap()];
    Process::start(cores, &program, &arguments, &place.file(log))
}

/// nginx that is started by root gives its workers to another user, who may not read the folder.
fn user() -> (&'static str, &'static str) {
    ("USER", if nix::unistd::geteuid().is_root() { "user root;" } else { "" })
}

fn fill_redis(address: SocketAddr, sessions: &[String]) {
    let mut connection = TcpStream::connect(address).unwrap();
    for session in sessions {
        write!(connection, "SET session:{session} active EX 86400\r\n").unwrap();
    }
    // Read to the last answer: each is +OK.
    let mut answers = vec![0; sessions.len() * "+OK\r\n".len()];
    std::io::Read::read_exact(&mut connection, &mut answers).unwrap();
    assert!(String::from_utf8_lossy(&answers).lines().all(|line| line == "+OK"));
}
