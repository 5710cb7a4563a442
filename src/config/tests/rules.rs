//! Every rule, and all its breaches at once.

use super::case::Case;
use crate::config::load;

const SECRET_LINE: &str = "secret = \"hunter2-hunter2-hunter2-hunter2-hunter2\"";
const API: &str = "[[upstream]]\nname = \"api\"\nservers = [\"api:1\"]\n";

/// A file with exactly one mistake, and how its problem starts.
#[test]
fn each_rule_has_its_problem() {
    let api = |rest: &str| format!("{API}{rest}");
    let client = |rest: &str| format!("[[client]]\nid = \"orders\"\n{rest}\n");
    let cases = [
        ("[server]\nlisten = \"localhost:80\"".to_owned(), "server.listen: `localhost:80` is not an IP address"),
        ("[server]\nadmin_listen = \"0.0.0.0:8080\"".to_owned(), "server.admin_listen: takes the same port"),
        ("[server]\ndata_dir = \"\"".to_owned(), "server.data_dir: is not a path"),
        ("[server]\ntrusted_proxies = \"10.0.0.1\"".to_owned(), "server.trusted_proxies: is a text, not a list"),
        ("[server]\ntrusted_proxies = [10]".to_owned(), "server.trusted_proxies: is a whole number, not a text"),
        ("[server]\ntrusted_proxies = [\"lb\"]".to_owned(), "server.trusted_proxies: `lb` is no IP address"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\"]".to_owned(),
            "server.trusted_proxies: `0.0.0.0/0` is so wide",
        ),
        ("[server]\ntrusted_proxies = [\"::/0\"]".to_owned(), "server.trusted_proxies: `::/0` is so wide"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.1/8\"]".to_owned(),
            "server.trusted_proxies: `10.0.0.1/8` is an address within the range 10.0.0.0/8",
        ),
        ("[server]\nmax_connections_per_address = -1".to_owned(), "server.max_connections_per_address: -1 is not"),
        ("[log]\nlevel = \"loud\"".to_owned(), "log.level: `loud` is not a log filter"),
        ("[store]\nkind = \"mysql\"".to_owned(), "store.kind: `mysql` is not known"),
        ("[store]\nkind = \"postgres\"\n[redis]\nurl = \"redis://a\"".to_owned(), "postgres.url: is missing"),
        ("[store]\nkind = \"postgres\"\n[postgres]\nurl = \"postgres://a\"".to_owned(), "redis.url: is missing"),
        (
            "[store]\nkind = \"postgres\"\n[redis]\nurl = \"redis://a\"\n[postgres]\nurl = \"postgres://a\"\n\
             tls_ca_file = \"/nowhere\""
                .to_owned(),
            "postgres.tls_ca_file: cannot be read",
        ),
        ("[token]\nalgorithm = \"none\"".to_owned(), "token.algorithm: `none` is not known"),
        ("[token]\nalgorithm = \"HS256\"".to_owned(), "token.secret: is missing"),
        (format!("[token]\nalgorithm = \"HS256\"\nsecret = \"{}\"", "x".repeat(31)), "token.secret: is shorter"),
        ("[token]\nalgorithm = \"HS256\"\nsecret = 12345".to_owned(), "token.secret: is a whole number"),
        ("[token]\nsecret_file = \"/nowhere\"".to_owned(), "token.secret_file: names a file that cannot be read"),
        ("[token]\nsecret = \"a\"\nsecret_file = \"/x\"".to_owned(), "token.secret_file: is given together with"),
        (format!("[token]\nalgorithm = \"HS256\"\nsecret = \"{}\"", "abcdefg".repeat(9)), "token.secret: repeats"),
        (
            format!("[token]\nkey_encryption_key = \"{}=\"", "A".repeat(43)),
            "token.key_encryption_key: repeats",
        ),
        ("[token]\nkey_encryption_key = \"AAAA\"".to_owned(), "token.key_encryption_key: is not base64 of 32"),
        ("[token]\nkey_encryption_key = \"?\"".to_owned(), "token.key_encryption_key: is not base64 of 32"),
        ("[token]\nissuer = \"\"".to_owned(), "token.issuer: `` is not 1 to 256"),
        ("[token]\naudience = \"a b\"".to_owned(), "token.audience: `a b` is not 1 to 256"),
        ("[token]\nsession_lifetime = \"10m\"".to_owned(), "token.session_lifetime: is shorter than"),
        (
            "[token]\nsession_lifetime = \"1h\"\nrefresh_idle_lifetime = \"2h\"".to_owned(),
            "token.refresh_idle_lifetime: is longer than",
        ),
        ("[token]\naccess_lifetime = 900".to_owned(), "token.access_lifetime: is a number without a unit"),
        ("[server]\npublic_url = \"https://a/x\"".to_owned(), "server.public_url: `https://a/x` is not of the form"),
        (client("secret = \"short\""), "client[0].secret: is shorter than 32 bytes"),
        (client(&format!("secret = \"{}\"", "abcdefg".repeat(9))), "client[0].secret: repeats"),
        (client(""), "client[0].secret: is missing"),
        (client("secret = \"a\"\nsecret_file = \"/x\""), "client[0].secret_file: is given together with"),
        (client("secret_file = \"/nowhere\""), "client[0].secret_file: names a file that cannot be read"),
        (client(&format!("{SECRET_LINE}\nsceret = 1")), "client[0].sceret: is not a known key"),
        (client(SECRET_LINE).repeat(2), "client[1].id: `orders` is the id of another client"),
        (format!("[[client]]\n{SECRET_LINE}"), "client[0].id: is missing"),
        (format!("[[client]]\nid = \"a:b\"\n{SECRET_LINE}"), "client[0].id: `a:b` is not a client id"),
        ("[token]\nrotate_every = \"1h\"".to_owned(), "token.rotate_every: is too short for token.publish_ahead"),
        ("[accounts]\nregistration = \"maybe\"".to_owned(), "accounts.registration: `maybe` is not known"),
        ("[[route]]\npath = \"/\"\nupstream = \"api\"".to_owned(), "route: needs an upstream"),
        (api("[[route]]\npath = \"/\"\nupstream = \"app\""), "route[0].upstream: `app` is not the name"),
        (api("[[route]]\npath = \"/\""), "route[0].upstream: is missing"),
        (api("[[route]]\nupstream = \"api\""), "route[0].path: is missing"),
        (api("[[route]]\npath = \"/auth\"\nupstream = \"api\""), "route[0].path: `/auth` belongs to"),
        (api("[[route]]\npath = \"/\"\nupstream = \"api\"\naccess = \"open\""), "route[0].access: `open` is not"),
        (
            api("[[route]]\npath = \"/\"\nupstream = \"api\"\nforward_authorization = \"yes\""),
            "route[0].forward_authorization: is neither true nor false",
        ),
        (
            api("[[route]]\npath = \"/\"\nupstream = \"api\"\nmax_body_bytes = \"1 MiB\""),
            "route[0].max_body_bytes: is a text, not",
        ),
        (
            api("[[route]]\npath = \"/\"\nupstream = \"api\"\non_revoke = \"ignore\""),
            "route[0].on_revoke: `ignore` is not",
        ),
        (api(&"[[route]]\npath = \"/a\"\nupstream = \"api\"\n".repeat(2)), "route[1].path: `/a` has another route"),
        (api(API), "upstream[1].name: `api` names another upstream"),
        ("[[upstream]]\nservers = [\"a:1\"]".to_owned(), "upstream[0].name: is missing"),
        ("[[upstream]]\nname = \"a b\"\nservers = [\"a:1\"]".to_owned(), "upstream[0].name: `a b` is not a name"),
        ("[[upstream]]\nname = \"a\"".to_owned(), "upstream[0].servers: is missing"),
        ("[[upstream]]\nname = \"a\"\nservers = [\"a\"]".to_owned(), "upstream[0].servers: `a` is not host:port"),
        (api("read_timeout = \"2h\""), "upstream[0].read_timeout: `2h` is not from"),
        (api("connect_timeout = \"0s\""), "upstream[0].connect_timeout: `0s` is not from"),
        ("listen = \"127.0.0.1:80\"".to_owned(), "listen: is not a known key"),
        ("server = 1".to_owned(), "server: is not a known key"),
        ("[[server]]\nthreads = 1".to_owned(), "server: is not a known key"),
        ("[servr]\nthreads = 1\nlisten = \"x\"".to_owned(), "servr: is not a known section"),
        ("[servr]".to_owned(), "servr: is not a known section"),
        ("[upstream]\nname = \"a\"".to_owned(), "upstream: is not a list of tables"),
        (api("nmae = \"x\""), "upstream[0].nmae: is not a known key"),
    ];
    for (file, expected) in cases {
        let problems = Case::new().file(&file).problems();
        assert_eq!(problems.len(), 1, "{file}\n{problems:#?}");
        let (_, text) = problems[0].split_once(' ').unwrap();
        assert!(text.starts_with(expected), "{file}\n{text}");
    }
}

/// Least and greatest value of every key with a range, and what lies just outside.
#[test]
fn ranges_hold_at_both_ends() {
    let table = [
        ("server.threads", "0", "1024", "-1", "1025"),
        ("server.max_connections", "1", "1000000", "0", "1000001"),
        ("server.head_timeout", "100ms", "1h", "99ms", "3601s"),
        ("server.keepalive_timeout", "1s", "1h", "999ms", "3601s"),
        ("server.body_timeout", "100ms", "1h", "99ms", "3601s"),
        ("server.write_timeout", "100ms", "1h", "99ms", "3601s"),
        ("server.max_header_bytes", "1024", "1048576", "1023", "1048577"),
        ("server.max_headers", "8", "250", "7", "251"),
        ("server.max_target_bytes", "64", "65536", "63", "65537"),
        ("server.auth_body_limit", "1024", "1048576", "1023", "1048577"),
        ("server.max_streams", "1", "1000", "0", "1001"),
        ("server.shutdown_grace", "0s", "1h", "-1s", "3601s"),
        ("postgres.max_connections", "1", "1000", "0", "1001"),
        ("postgres.timeout", "10ms", "1m", "9ms", "61s"),
        ("redis.max_connections", "1", "1000", "0", "1001"),
        ("redis.timeout", "10ms", "1m", "9ms", "61s"),
        ("token.access_lifetime", "10s", "24h", "9s", "86401s"),
        ("token.session_lifetime", "15m", "366d", "59s", "367d"),
        ("token.status_list_ttl", "1s", "1h", "999ms", "3601s"),
        ("token.refresh_idle_lifetime", "1m", "30d", "59s", "31d"),
        ("token.refresh_grace", "0s", "1m", "-1s", "61s"),
        ("audit.retention", "1d", "3650d", "23h", "3651d"),
        ("token.rotate_every", "3603s", "3660d", "4s", "3661d"),
        ("token.rotate_every", "off", "0", "-1s", "never"),
        ("token.publish_ahead", "1s", "30d", "999ms", "31d"),
        ("password.min_length", "8", "64", "7", "65"),
        ("password.min_strength", "0", "4", "-1", "5"),
        ("password.bcrypt_cost", "10", "16", "9", "17"),
        ("password.hash_threads", "0", "256", "-1", "257"),
        ("password.hash_queue", "1", "10000", "0", "10001"),
        ("password.hash_wait", "100ms", "10s", "99ms", "11s"),
        ("limits.address_failures", "0", "10000", "-1", "10001"),
        ("limits.address_refill", "1ms", "1h", "0s", "3601s"),
        ("limits.network_failures", "0", "10000", "-1", "10001"),
        ("limits.network_refill", "1ms", "1h", "0s", "3601s"),
        ("limits.account_failures", "0", "10000", "-1", "10001"),
        ("limits.account_refill", "1ms", "1h", "0s", "3601s"),
        ("limits.registrations", "0", "10000", "-1", "10001"),
        ("limits.registration_refill", "1ms", "1h", "0s", "3601s"),
        ("limits.wrong_secrets", "0", "10000", "-1", "10001"),
        ("limits.wrong_secret_refill", "1ms", "1h", "0s", "3601s"),
        ("limits.known_for", "1s", "366d", "999ms", "367d"),
    ];
    for (key, least, greatest, below, above) in table {
        for (value, right) in [(least, true), (greatest, true), (below, false), (above, false)] {
            let problems = Case::new().flag(key, value, "--x").problems();
            assert_eq!(problems.is_empty(), right, "{key} = {value}: {problems:?}");
        }
    }
}

#[test]
fn an_upstream_without_routes_is_fine() {
    assert_eq!(Case::new().file(API).problems(), Vec::<String>::new());
}

#[test]
fn unknown_variables_and_keys_name_the_nearest_known_one() {
    for (case, expected) in [
        (Case::new().env("GATEWARD__SERVER__LISTN", "x"), "did you mean GATEWARD__SERVER__LISTEN?"),
        (Case::new().env("GATEWARD__SERVER__listen", "x"), "did you mean GATEWARD__SERVER__LISTEN?"),
        (Case::new().dotenv("GATEWARD__TOKEN__ISUER=x"), "did you mean GATEWARD__TOKEN__ISSUER?"),
        (Case::new().env("GATEWARD__SERVER__LISTEN_FILE", "x"), "remove it"),
        (Case::new().env("GATEWARD__UPSTREAM__0__NAME", "x"), "are written in the file"),
        (Case::new().file("[tokens]"), "did you mean [token]?"),
        (Case::new().file("[server]\nissuer = \"x\""), "did you mean token.issuer?"),
        (Case::new().file("server = 1"), "start it with a line [server]"),
    ] {
        let problems = load(&case.sources).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{problems}");
        assert!(problems.to_string().contains(expected), "{problems}\n{expected}");
    }
}

#[test]
fn all_mistakes_are_listed_at_once_with_origin_line_and_remedy() {
    let case = Case::new()
        .file(
            "[server]\nlisten = \"here\"\nthreads = \"two\"\nlistn = 1\n[postgres]\ntimeout = \"1\"\n[[route]]\n\
             path = \"/a/\"\nupstream = \"b\"\n",
        )
        .dotenv("ALGORITHM=HS1\n")
        .env("GATEWARD__STORE__KIND", "postgres")
        .env("GATEWARD__X", "1")
        .flag("server.data_dir", "", "--data-dir");
    let mut starts: Vec<String> = case
        .problems()
        .iter()
        .map(|p| p.split_once(": ").map_or("", |(start, _)| start).to_owned())
        .collect();
    starts.sort();
    assert_eq!(
        starts,
        [
            ".env variable ALGORITHM token.algorithm",
            "environment variable GATEWARD__STORE__KIND postgres.url",
            "environment variable GATEWARD__STORE__KIND redis.url",
            "environment variable GATEWARD__X x",
            "flag --data-dir server.data_dir",
            "gateward.toml:2 server.listen",
            "gateward.toml:3 server.threads",
            "gateward.toml:4 server.listn",
            "gateward.toml:6 postgres.timeout",
            "gateward.toml:7 route",
            "gateward.toml:8 route[0].path",
        ]
    );
    let problems = load(&case.sources).unwrap_err();
    assert!(problems.iter().all(|problem| !problem.message.is_empty() && !problem.remedy.is_empty()));
    assert_eq!(problems.to_string().matches("remedy: ").count(), starts.len());
}

#[test]
fn a_broken_file_hides_no_mistake_of_other_layers_and_invents_none() {
    let case = Case::new()
        .file("[store\n")
        .env("GATEWARD__STORE__KIND", "postgres")
        .env("GATEWARD__LOG__LEVEL", "inof");
    let problems = case.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("gateward.toml:1 : is not TOML at line 1"), "{problems:?}");
    assert!(problems[1].contains("log.level"), "{problems:?}");
    let mut missing = Case::new();
    missing.sources.file = Some("/nowhere/gateward.toml".into());
    assert_eq!(missing.problems().len(), 1);
}

#[test]
fn a_file_without_an_end_is_refused() {
    let case = Case::new().env("SECRET_KEY_FILE", "/dev/zero");
    assert!(case.problems()[0].contains("longer than 1 MiB"));
}
