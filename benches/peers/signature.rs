//! What the signatures of tokens cost alone, on the proxy's core: the floor of a cold token.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::place::Place;
use super::tokens::Tokens;

/// The argument that makes this program do it; algorithm, key (base64url) and a file of tokens follow.
pub const MODE: &str = "--signature-cost";
/// Checks, in as many batches; the median of the batches counts.
const BATCHES: usize = 21;
const BATCH: usize = 200;

/// Whether a signature of a message is good.
type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// Microseconds for each check, measured in a process of its own on the proxy's core.
pub fn cost(place: &Place, tokens: &Tokens) -> f64 {
    let output = Command::new("taskset")
        .args(["--cpu-list", &place.proxy_cores])
        .arg(std::env::current_exe().unwrap())
        .args([MODE, tokens.algorithm.name(), &tokens.key])
        .arg(&tokens.warm)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{output:?}"))
}

/// Measures and prints.
pub fn run(algorithm: &str, key: &str, tokens: &Path) {
    let key = URL_SAFE_NO_PAD.decode(key).unwrap();
    let check: Check = match algorithm {
        "HS256" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            Box::new(move |message, signature| hmac::verify(&key, message, signature).is_ok())
        }
        "ES256" => {
            let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).unwrap();
            Box::new(move |message, signature| key.verify_sig(message, signature).is_ok())
        }
        _ => {
            let key = ParsedPublicKey::new(&ED25519, key).unwrap();
            Box::new(move |message, signature| key.verify_sig(message, signature).is_ok())
        }
    };
    let tokens = std::fs::read_to_string(tokens).unwrap();
    let tokens: Vec<(&str, Vec<u8>)> = tokens
        .lines()
        .map(|token| token.rsplit_once('.').unwrap())
        .map(|(message, signature)| (message, URL_SAFE_NO_PAD.decode(signature).unwrap()))
        .collect();
    let mut batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let begun = Instant::now();
            for (message, signature) in tokens.iter().cycle().take(BATCH) {
                assert!(check(black_box(message.as_bytes()), black_box(signature)), "a good signature");
            }
            begun.elapsed().as_secs_f64() * 1e6 / BATCH as f64
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    println!("{:.3}", batches[BATCHES / 2]);
}
