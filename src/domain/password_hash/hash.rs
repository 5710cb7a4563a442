//! The two hash types: what this program makes, and what a store holds.

use subtle::ConstantTimeEq;

use super::form::{DIGEST_BYTES, Form, MAX_COST, MIN_COST, Parts, SALT_BYTES, StoredHashError, our_text};
use crate::domain::password::Password;

/// A hash that this program made and may store.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Hash text from a store, not yet judged.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(String);

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Match,
    /// The password is right, and the stored hash has a foreign form or another cost than wanted: replace it.
    MatchNeedsRehash,
    /// The password is wrong.
    Mismatch,
}

/// A hash cannot be made: the cost is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bcrypt cost {0} is outside {MIN_COST} to {MAX_COST}")]
pub struct HashError(pub u32);

impl PasswordHash {
    /// Hashes a password in our form. `salt` must be fresh and random.
    ///
    /// # Errors
    /// [`HashError`] when `cost` is outside [`MIN_COST`] to [`MAX_COST`].
    pub fn new(password: &Password, cost: u32, salt: [u8; SALT_BYTES]) -> Result<Self, HashError> {
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(HashError(cost));
        }
        let digest = Form::HmacSha256.digest(cost, salt, password);
        Ok(Self(our_text(cost, salt, &digest)))
    }

    /// The text to store.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl StoredHash {
    /// Text that a store kept.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// A hash in our form that takes the same work as any other of this cost and that no known password has: its
    /// digest is all zeros. For people who have no account.
    ///
    /// With a cost outside [`MIN_COST`] to [`MAX_COST`], its verification is an error.
    pub fn dummy(cost: u32) -> Self {
        Self(our_text(cost, *b"no such account.", &[0; DIGEST_BYTES]))
    }

    /// The text, to compare or verify.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the hash of `password`, and whether it should be replaced by one of our form and
    /// `wanted_cost` (a lower one too: what the configuration says holds in both directions).
    ///
    /// Plain bcrypt takes the first 72 bytes only. It cannot hold a NUL, so a password with one never matches
    /// there, after the same work.
    ///
    /// # Errors
    /// [`StoredHashError`] when the text cannot be a hash that anybody made; found before any costly work.
    pub fn verify(&self, password: &Password, wanted_cost: u32) -> Result<Verdict, StoredHashError> {
        let stored = Parts::parse(&self.0)?;
        let digest = stored.form.digest(stored.cost, stored.salt, password);
        let same = bool::from(digest.ct_eq(&stored.digest));
        let holds = stored.form != Form::Bcrypt || !password.expose().contains('\0');
        Ok(match (same && holds, stored.form == Form::HmacSha256 && stored.cost == wanted_cost) {
            (false, _) => Verdict::Mismatch,
            (true, false) => Verdict::MatchNeedsRehash,
            (true, true) => Verdict::Match,
        })
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredHash(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    fn verify(stored: &str, text: &str) -> Result<Verdict, StoredHashError> {
        StoredHash::from_stored(stored.to_owned()).verify(&password(text), 4)
    }

    fn hash(text: &str) -> String {
        PasswordHash::new(&password(text), 4, [7; 16]).unwrap().expose().to_owned()
    }

    fn tail() -> String {
        "p".repeat(72) + "tail"
    }

    fn faces() -> String {
        "\u{1f600}".repeat(64)
    }

    /// Made by passlib 1.7.4 with bcrypt 4.0.1.
    fn passlib_vectors() -> [(String, &'static str, &'static str); 7] {
        [
            (
                "correct horse".into(),
                "$bcrypt-sha256$v=2,t=2b,r=12$abcdefghijklmnopqrstuu$aP56a.SWvVzRr1c7jVmZnIGQHwjrhZe",
                "$bcrypt-sha256$2b,12$abcdefghijklmnopqrstuu$v2fnfVQklJlvU7qhfpno9h8rEbPjT2e",
            ),
            (
                "\u{e9}\u{1f600}\u{4e2d}".into(),
                "$bcrypt-sha256$v=2,t=2b,r=5$......................$1JEVi3HaTjrocLd2GvE0/usJdWlv3K.",
                "$bcrypt-sha256$2b,5$......................$bkmbCeNtRXQdU0cZlEoLBL.mz3xVOr2",
            ),
            (
                "a\0b".into(),
                "$bcrypt-sha256$v=2,t=2b,r=4$.ABCDEFGHIJKLMNOPQRSTO$F0eGQRCRATAM.4tt/ylDvVAS/RihERe",
                "$bcrypt-sha256$2b,4$.ABCDEFGHIJKLMNOPQRSTO$livWQmrBJgKRV3QiXpZbzCYjGJQFB7K",
            ),
            (
                "a\0c".into(),
                "$bcrypt-sha256$v=2,t=2b,r=5$zzzzzzzzzzzzzzzzzzzzze$bRmADufi7BSVwmq5hlg5y7ZTzkFzUlG",
                "$bcrypt-sha256$2b,5$zzzzzzzzzzzzzzzzzzzzze$mLCqWysKMjC0h8JbyeNWixxdSGMbILi",
            ),
            (
                tail(),
                "$bcrypt-sha256$v=2,t=2b,r=4$0123456789./ABCDEFGHIe$jcWJbgpe.nvaltY6ViBgywVCpupSs4y",
                "$bcrypt-sha256$2b,4$0123456789./ABCDEFGHIe$ojaNaUynV7yjha5hMmUglbs1mSQOjbu",
            ),
            (
                faces(),
                "$bcrypt-sha256$v=2,t=2b,r=5$N0tAPassw0rdButASa1tXu$3WCuiEwmwY3DnNEN4SlP9jbA7IPt172",
                "$bcrypt-sha256$2b,5$N0tAPassw0rdButASa1tXu$YmUGwwmvrEQcM9JMYkB5ej1/k6c0eAW",
            ),
            (
                "x".into(),
                "$bcrypt-sha256$v=2,t=2b,r=4$/3OeRpbOf8/l6nPPRdZPp.$CJzMf.nrIxUXSQ7e.zJKaUaEVaEznGC",
                "$bcrypt-sha256$2b,4$/3OeRpbOf8/l6nPPRdZPp.$pjdYKFgOE7kFz87oOrDsCCgWI9i/Y9C",
            ),
        ]
    }

    #[test]
    fn our_hashes_are_passlibs_to_the_letter() {
        for (text, ours, _) in passlib_vectors() {
            let parts = Parts::parse(ours).unwrap();
            let made = PasswordHash::new(&password(&text), parts.cost, parts.salt).unwrap();
            assert_eq!(made.expose(), ours);
        }
    }

    #[test]
    fn passlib_hashes_verify_and_only_ours_at_the_wanted_cost_stays() {
        for (text, ours, version_1) in passlib_vectors() {
            let cost = Parts::parse(ours).unwrap().cost;
            let stored = StoredHash::from_stored(ours.to_owned());
            assert_eq!(stored.verify(&password(&text), cost), Ok(Verdict::Match));
            assert_eq!(stored.verify(&password(&text), 10), Ok(Verdict::MatchNeedsRehash));
            assert_eq!(stored.verify(&password("other"), cost), Ok(Verdict::Mismatch));
            let stored = StoredHash::from_stored(version_1.to_owned());
            assert_eq!(stored.verify(&password(&text), cost), Ok(Verdict::MatchNeedsRehash));
            assert_eq!(stored.verify(&password("other"), cost), Ok(Verdict::Mismatch));
        }
    }

    #[test]
    fn plain_bcrypt_verifies_and_asks_for_a_rehash() {
        let truncated = "$2b$04$zzzzzzzzzzzzzzzzzzzzzenI2/U7/TEVYMxo.bXUhf1hBehwzVt9a";
        for (text, stored) in [
            ("x".to_owned(), "$2b$04$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e"),
            ("x".to_owned(), "$2y$04$abcdefghijklmnopqrstuuPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e"),
            // The last character of the salt with an unused bit set.
            ("x".to_owned(), "$2b$04$abcdefghijklmnopqrstuvPp7HPfoAs8I2dCQCQ/fW7zEJv8I8C8e"),
            ("\u{e9}".to_owned(), "$2a$04$0123456789./ABCDEFGHIerB3Pfe3ZRiAfUwvKL8Hp.uEOPM9v1d."),
            (tail(), truncated),
            ("p".repeat(72), truncated),
        ] {
            assert_eq!(verify(stored, &text), Ok(Verdict::MatchNeedsRehash), "{stored}");
            assert_eq!(verify(stored, "y"), Ok(Verdict::Mismatch), "{stored}");
        }
        assert_eq!(verify(truncated, &"p".repeat(71)), Ok(Verdict::Mismatch));
    }

    #[test]
    fn a_password_with_a_nul_never_matches_plain_bcrypt() {
        // What an implementation makes that hashes the NUL instead of stopping there.
        let salt = [1; 16];
        let ours = our_text(4, salt, &Form::Bcrypt.digest(4, salt, &password("a\0b")));
        let (salt, digest) =
            ours.strip_prefix("$bcrypt-sha256$v=2,t=2b,r=4$").unwrap().split_once('$').unwrap();
        let stored = format!("$2b$04${salt}{digest}");
        assert_eq!(verify(&stored, "a\0b"), Ok(Verdict::Mismatch));
        let a = "$2b$04$abcdefghijklmnopqrstuuMFdJu9yVgmagVAIC24fOZkaFqd3s9JC";
        assert_eq!(verify(a, "a"), Ok(Verdict::MatchNeedsRehash));
        assert_eq!(verify(a, "a\0b"), Ok(Verdict::Mismatch));
    }

    #[test]
    fn nothing_is_truncated() {
        let start = "p".repeat(72);
        let almost = "\u{1f600}".repeat(63) + "\u{1f601}";
        for (one, other) in
            [(format!("{start}a"), format!("{start}b")), ("a\0b".into(), "a\0c".into()), (faces(), almost)]
        {
            assert_eq!(verify(&hash(&one), &one), Ok(Verdict::Match));
            assert_eq!(verify(&hash(&one), &other), Ok(Verdict::Mismatch));
        }
        assert_eq!(hash("e\u{301}"), hash("\u{e9}"), "NFC and NFD are one password");
    }

    #[test]
    fn cost_out_of_bounds_is_refused_before_hashing() {
        for cost in [0, 3, 17, 31, 32, u32::MAX] {
            assert_eq!(PasswordHash::new(&password("x"), cost, [0; 16]), Err(HashError(cost)));
        }
    }

    #[test]
    fn dummy_is_a_well_formed_hash_of_nothing() {
        let dummy = StoredHash::dummy(4);
        assert_eq!(dummy.expose().len(), hash("x").len());
        for text in ["x", "no such account.", "\0"] {
            assert_eq!(dummy.verify(&password(text), 4), Ok(Verdict::Mismatch));
        }
        assert_eq!(Parts::parse(StoredHash::dummy(12).expose()).map(|parts| parts.cost), Ok(12));
    }

    #[test]
    fn debug_shows_no_hash() {
        let text = format!(
            "{:?} {:?}",
            PasswordHash::new(&password("x"), 4, [7; 16]),
            StoredHash::from_stored(hash("x"))
        );
        assert_eq!(text, "Ok(PasswordHash(redacted)) StoredHash(redacted)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_hashed_verifies_and_nothing_else(text in any::<String>(), other in any::<String>(), salt in any::<[u8; 16]>()) {
            prop_assume!(!text.is_empty() && !other.is_empty());
            let (right, wrong) = (password(&text), password(&other));
            let stored = StoredHash::from_stored(PasswordHash::new(&right, 4, salt).unwrap().expose().to_owned());
            prop_assert_eq!(stored.verify(&right, 4), Ok(Verdict::Match));
            if right.expose() != wrong.expose() {
                prop_assert_eq!(stored.verify(&wrong, 4), Ok(Verdict::Mismatch));
            }
        }
    }
}
