//! Password hashes: making our own form, verifying it and the forms other programs left behind.
//!
//! Ours is passlib's `bcrypt_sha256`, version 2
//! (<https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html>):
//! `$bcrypt-sha256$v=2,t=2b,r=12$<salt>$<digest>`, where bcrypt hashes the base64 of an HMAC-SHA256 of the
//! password, keyed with the salt's text. Every byte of the password counts: bcrypt's own limit of 72 bytes and
//! its stop at a NUL touch 44 base64 characters only.
//!
//! Foreign forms verify and ask to be replaced: passlib's version 1
//! (`$bcrypt-sha256$2b,12$<salt>$<digest>`, a plain SHA-256) and bcrypt itself (`$2a$`, `$2b$`, `$2y$`).
//! `$2x$`, a known faulty bcrypt, is refused. A foreign hash of a password that was not in NFC does not
//! verify: the bytes that were hashed are not the ones parsed here.
//!
//! One verification costs the CPU time of one bcrypt (a quarter of a second at cost 12): call it in a pool.
//! While a stored cost differs from the wanted one, its account answers in another time than an unknown one.

mod form;
mod hash;

pub use form::{MAX_COST, MIN_COST, StoredHashError};
pub use hash::{HashError, PasswordHash, StoredHash, Verdict};
