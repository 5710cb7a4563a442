//! Defaults, and which of several layers wins.
use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::case::{Case, KEY, SECRET, origin};
use crate::config::{
    ClientAuth, LogFormat, MigrateMode, Origin, Registration, RouteAccess, RouteOnRevoke, Settings,
    SigningAlgorithm, StoreKind, StoreSettings, TlsVersion, variables,
};
use crate::domain::attempts::Limit;
use crate::domain::forwarding::TrustedProxies;

#[test]
fn defaults_are_complete() {
    let Settings {
        server,
        tls,
        log,
        store,
        token,
        revocation,
        password,
        limits,
        accounts,
        audit,
        clients,
        upstreams,
        routes,
    } = Case::new().load().settings;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin_listen.to_string(), "127.0.0.1:9090");
    assert!((1..=1024).contains(&server.threads) && (1..=256).contains(&password.hash_threads));
    assert_eq!((server.max_connections, server.max_headers), (10_000, 100));
    assert_eq!((server.max_streams, server.h2c), (100, false));
    assert_eq!(
        (server.max_header_bytes, server.max_target_bytes, server.auth_body_limit),
        (32 << 10, 8 << 10, 16 << 10)
    );
    assert_eq!((log.format, log.level.as_str()), (LogFormat::Text, "info"));
    assert!(matches!(store, StoreSettings { kind: StoreKind::Embedded, migrate: MigrateMode::Auto }));
    assert!(matches!(token.algorithm, SigningAlgorithm::EdDsa) && token.key_encryption_key.is_none());
    assert_eq!((token.issuer.as_str(), token.audience.as_str()), ("gateward", "gateward"));
    assert_eq!(token.access_lifetime, Duration::from_mins(15));
    assert_eq!(token.session_lifetime, Duration::from_hours(30 * 24));
    assert_eq!(token.refresh_idle_lifetime, Duration::from_hours(7 * 24));
    assert_eq!(
        (token.refresh_grace, audit.retention),
        (Duration::from_secs(10), Duration::from_hours(90 * 24))
    );
    assert_eq!(
        (password.min_length, password.min_strength, password.bcrypt_cost, password.hash_queue),
        (8, 2, 12, 32)
    );
    assert_eq!(password.hash_wait, Duration::from_secs(5));
    let limit = |failures: u32, every| Some(Limit::new(NonZeroU32::new(failures).unwrap(), every));
    let seconds = Duration::from_secs;
    assert_eq!((limits.address, limits.network), (limit(60, seconds(10)), limit(300, seconds(2))));
    assert_eq!(limits.account, limit(10, seconds(16 * 60)));
    assert_eq!((limits.registration, limits.secret), (limit(30, seconds(60)), limit(120, seconds(1))));
    assert_eq!(limits.known_for, Duration::from_hours(30 * 24));
    assert_eq!(accounts.registration, Registration::Open);
    assert_eq!(revocation.max_staleness, Duration::from_secs(1));
    assert_eq!(revocation.detached_limit, Duration::from_mins(15));
    assert!(clients.is_empty() && upstreams.is_empty() && routes.is_empty());
    assert_eq!(token.status_list_ttl, Duration::from_secs(15));
    assert!(tls.certificates.is_empty() && tls.hsts.is_none() && tls.redirect_listen.is_none());
    assert_eq!((tls.min_version, tls.client_auth), (TlsVersion::Tls12, ClientAuth::None));
    assert_eq!(tls.handshake_timeout, Duration::from_secs(10));
}

#[test]
fn the_public_url_is_the_configured_one_or_what_is_known_of_the_listener() {
    for (listen, known) in [
        ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ("0.0.0.0:80", Some("http://127.0.0.1:80")),
        ("[::]:80", Some("http://[::1]:80")),
        ("192.0.2.7:80", Some("http://192.0.2.7:80")),
        ("127.0.0.1:0", None),
    ] {
        let case = Case::new().flag("server.listen", listen, "--listen");
        let server = case.load().settings.server;
        assert_eq!(server.known_public_url().as_deref(), known);
        assert_eq!(server.public_url("[::]:7".parse().unwrap()), "http://[::1]:7");
        let given = case.flag("server.public_url", "https://gw.example/", "--x").load().settings.server;
        assert_eq!(given.known_public_url().as_deref(), Some("https://gw.example"));
        assert_eq!(given.public_url("[::]:7".parse().unwrap()), "https://gw.example");
    }
}

#[test]
fn a_session_shorter_than_the_default_idle_lifetime_is_no_mistake() {
    let token = Case::new().flag("token.session_lifetime", "1h", "--x").load().settings.token;
    assert_eq!(token.refresh_idle_lifetime, Duration::from_hours(1));
}

#[test]
fn a_later_layer_wins() {
    let key = "server.listen";
    let mut case = Case::new();
    assert_eq!(origin(&case.load(), key), "default");
    case = case.file("[server]\nlisten = \"127.0.0.1:1\"");
    assert!(origin(&case.load(), key).ends_with("gateward.toml:2"));
    case = case.dotenv("GATEWARD__SERVER__LISTEN=127.0.0.1:2");
    assert_eq!(origin(&case.load(), key), ".env variable GATEWARD__SERVER__LISTEN");
    case = case.env("GATEWARD__SERVER__LISTEN", "127.0.0.1:3");
    assert_eq!(origin(&case.load(), key), "environment variable GATEWARD__SERVER__LISTEN");
    case = case.flag(key, "127.0.0.1:4", "--listen");
    let loaded = case.load();
    assert_eq!(origin(&loaded, key), "flag --listen");
    assert_eq!(loaded.settings.server.listen.port(), 4);
}

#[test]
fn familiar_names_are_weaker_than_own_names_of_their_layer_only() {
    let algorithm =
        |case: Case| case.load().values.into_iter().find(|s| s.key == "token.algorithm").unwrap().value;
    let both = |case: Case| case.env("ALGORITHM", "ES256").env("GATEWARD__TOKEN__ALGORITHM", "RS256");
    assert_eq!(algorithm(both(Case::new())), "RS256");
    assert_eq!(
        algorithm(Case::new().dotenv("GATEWARD__TOKEN__ALGORITHM=RS256").env("ALGORITHM", "ES256")),
        "ES256"
    );
}

#[test]
fn every_key_of_the_plain_sections_can_be_a_variable() {
    let defaults = Case::new().load();
    let mut case = Case::new();
    for shown in defaults.values.iter().filter(|shown| shown.value != "(not set)") {
        case = case.env(&variables::variable_name(&shown.key), &shown.value);
    }
    let loaded = case.load();
    assert_eq!(format!("{:?}", loaded.settings), format!("{:?}", defaults.settings));
    assert!(loaded.values.iter().all(|shown| shown.value == "(not set)" || shown.origin != Origin::Default));
}

#[test]
fn zero_threads_mean_the_machine_decides_and_others_are_kept() {
    let loaded = Case::new().file("[server]\nthreads = 7\n[password]\nhash_threads = 9").load();
    assert_eq!((loaded.settings.server.threads, loaded.settings.password.hash_threads), (7, 9));
    let (cores, settings) =
        (std::thread::available_parallelism().unwrap().get(), Case::new().load().settings);
    assert_eq!((settings.server.threads, settings.password.hash_threads), (cores, (cores - 1).max(1)));
}

#[test]
fn the_short_form_makes_an_upstream_and_a_route_unless_the_file_has_them() {
    let short = Case::new().env("UPSTREAM", "http://127.0.0.1:8000").load();
    let (upstream, route) = (&short.settings.upstreams[0], &short.settings.routes[0]);
    assert_eq!(
        (upstream.name.as_str(), upstream.servers.as_slice()),
        ("default", &["127.0.0.1:8000".to_owned()][..])
    );
    assert_eq!((route.path.as_str(), route.access), ("/", RouteAccess::Authenticated));
    assert!(!route.forward_authorization);
    assert_eq!(route.on_revoke, RouteOnRevoke::Close);
    assert_eq!(origin(&short, "upstream[0].servers"), "environment variable UPSTREAM");

    let own_route = "[[route]]\npath = \"/a\"\nupstream = \"default\"";
    let loaded = Case::new().file(own_route).env("UPSTREAM", "http://127.0.0.1:8000").load();
    assert_eq!(loaded.settings.routes.len(), 1);
    assert_eq!(loaded.settings.routes[0].path, "/a");

    let own_upstream = "[[upstream]]\nname = \"api\"\nservers = [\"api:1\"]";
    let loaded = Case::new().file(own_upstream).env("UPSTREAM", "http://127.0.0.1:8000").load();
    assert_eq!((loaded.settings.upstreams[0].name.as_str(), loaded.settings.routes.len()), ("api", 0));
    assert_eq!(loaded.warnings.len(), 1);
    let problems =
        Case::new().file(own_upstream).flag("upstream", "http://127.0.0.1:1", "--upstream").problems();
    assert_eq!(problems, ["flag --upstream upstream: competes with [[upstream]] of the file"]);
}

#[test]
fn of_a_secret_and_its_file_the_later_layer_wins() {
    for (case, expected) in [
        (Case::new().dotenv("SECRET_KEY_FILE=/nowhere").env("SECRET_KEY", SECRET), Vec::new()),
        (
            Case::new().dotenv(&format!("SECRET_KEY={SECRET}")).env("SECRET_KEY_FILE", "/nowhere"),
            vec!["token.secret_file"],
        ),
        (Case::new().env("SECRET_KEY", SECRET).env("SECRET_KEY_FILE", "/nowhere"), vec!["token.secret_file"]),
        (Case::new().env("GATEWARD__TOKEN__SECRET", SECRET).env("SECRET_KEY_FILE", "/nowhere"), Vec::new()),
    ] {
        let problems = case.env("ALGORITHM", "HS256").problems();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        assert!(problems.iter().zip(expected).all(|(problem, key)| problem.contains(key)), "{problems:?}");
    }
}

#[test]
fn secrets_come_from_files_without_the_line_end() {
    let mut case = Case::new();
    let (secret, key) =
        (case.write("secret", &format!("{SECRET}\r\n\n")), case.write("key", &format!("{KEY}\n")));
    case = case
        .file(&format!(
            "[token]\nalgorithm = \"HS256\"\nkey_encryption_key_file = {:?}",
            key.display().to_string()
        ))
        .env("SECRET_KEY_FILE", &secret.display().to_string());
    let loaded = case.load();
    let token = &loaded.settings.token;
    assert_eq!(token.key_encryption_key.as_ref().unwrap().expose_secret(), KEY);
    let SigningAlgorithm::Hs256 { secret } = &token.algorithm else { panic!("not HS256") };
    assert_eq!(secret.expose_secret(), SECRET);
    assert_eq!(origin(&loaded, "token.secret"), "environment variable SECRET_KEY_FILE");
}

#[test]
fn a_list_of_networks_can_stand_in_a_variable() {
    for (given, networks) in [
        ("10.0.0.0/8, ::1", &["10.0.0.0/8", "::1"][..]),
        ("[\"192.0.2.7\"]", &["192.0.2.7"]),
        ("[]", &[]),
        ("", &[]),
    ] {
        let case = Case::new().flag("server.trusted_proxies", given, "--x");
        let expected = networks.iter().map(|network| network.parse().unwrap()).collect();
        assert_eq!(case.load().settings.server.trusted_proxies, TrustedProxies::new(expected), "{given}");
    }
}

#[test]
fn nought_is_no_bound() {
    let case = Case::new().flag("server.max_connections_per_address", "0", "--x").flag(
        "server.max_requests_per_connection",
        "0",
        "--x",
    );
    let server = case.load().settings.server;
    assert_eq!((server.max_connections_per_address, server.max_requests_per_connection), (None, None));
    let server = Case::new().load().settings.server;
    let bounds =
        (server.max_connections_per_address, server.count_loopback, server.max_requests_per_connection);
    assert_eq!(bounds, (Some(1000), false, Some(10_000)));
    let given = Case::new().flag("server.max_connections_per_address", "1000", "--x").load().settings.server;
    assert_eq!((given.max_connections_per_address, given.count_loopback), (Some(1000), true));
}

#[test]
fn forgeries_from_loopback_count_only_where_the_bound_is_given() {
    let bound = |case: Case| {
        let token = case.load().settings.token;
        (token.forged_per_minute, token.count_loopback)
    };
    assert_eq!(bound(Case::new()), (600, false));
    for (given, number) in [("600", 600), ("0", 0)] {
        assert_eq!(bound(Case::new().flag("token.forged_per_minute", given, "--x")), (number, true));
    }
}
