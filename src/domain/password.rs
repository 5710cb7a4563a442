//! Passwords in clear, and the policy that a new one must pass.
//!
//! Follows NIST SP 800-63B: length counted in code points after normalisation, every character allowed, no
//! composition rules, common and guessable passwords refused. Hashing is `password_hash`'s part; services that
//! list breached passwords are not asked.
//!
//! The estimate is the `zxcvbn` crate's. Its list of common passwords is the one used here. Its working
//! copies of the password are not wiped, and it reads the year from the system clock (to judge dates).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;
use zxcvbn::feedback::{Feedback, Warning};

/// Longest password in code points, after NFC.
pub const MAX_CHARS: usize = 256;

/// Longer input is refused before normalising. A code point has at most 4 in its canonical decomposition, of at
/// most 4 bytes each, so no acceptable password is lost.
const MAX_RAW_BYTES: usize = MAX_CHARS * 4 * 4;
/// No code point grows to more than three times its bytes in NFC (UAX 15, table 3).
const NFC_GROWTH: usize = 3;

/// How much of a password the strength estimate sees, in code points; see [`PasswordPolicy::check`].
pub const SCORED_CHARS: usize = 50;
/// zxcvbn's list has 30 000 passwords, the commonest first, and its estimate of an entry is its place plus one.
const GUESSES_OF_THE_LIST: u64 = 30_001;
/// How many words of context are looked for: more than addresses and names have, and a bound on the work.
const MAX_CONTEXT_WORDS: usize = 24;

/// A password in clear: NFC, 1 to [`MAX_CHARS`] code points, any of them. Wiped on drop.
pub struct Password(SecretString);

/// Why a text cannot be a password at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// No characters.
    #[error("the password is empty")]
    Empty,
    /// More than [`MAX_CHARS`] code points.
    #[error("the password is longer than {MAX_CHARS} characters")]
    TooLong,
}

impl Password {
    /// Normalises to NFC, so that a password typed on another system is the same one. Nothing is trimmed.
    /// `raw` is wiped, whatever the result.
    ///
    /// # Errors
    /// [`PasswordError`], by cause.
    pub fn parse(raw: String) -> Result<Self, PasswordError> {
        let raw = Zeroizing::new(raw);
        if raw.is_empty() {
            return Err(PasswordError::Empty);
        }
        if raw.len() > MAX_RAW_BYTES {
            return Err(PasswordError::TooLong);
        }
        // Room for all of it at once: a growing string would leave unwiped copies behind.
        let mut text = Zeroizing::new(String::with_capacity(raw.len() * NFC_GROWTH));
        text.extend(raw.nfc());
        if text.chars().count() > MAX_CHARS {
            return Err(PasswordError::TooLong);
        }
        Ok(Self(SecretString::from(text.as_str())))
    }

    /// The text, to hash or judge.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// What a new password must be like. Not applied at login: an old password may be weaker than today's
/// policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest code points, after NFC.
    pub min_length: usize,
    /// Lowest strength, 0 (anything) to 4 (more than 10^10 guesses), as zxcvbn scores.
    pub min_strength: u8,
}

/// Why a password is too weak; the text is a sentence for the person and never quotes the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer code points than the policy asks for.
    #[error("the password must have at least {min} characters")]
    TooShort {
        /// The fewest that pass.
        min: usize,
    },
    /// It is on the list of common passwords, or guessed as soon as those.
    #[error("this is one of the most common passwords; choose another")]
    Common,
    /// Fewer guesses would find it than the policy asks for.
    #[error("this password is too easy to guess. {hint}")]
    Guessable {
        /// What makes it weak and what would help, in sentences.
        hint: String,
    },
}

impl PasswordPolicy {
    /// Judges a new password. `context` is what a guesser knows about the person: the two halves of the e-mail
    /// address, the name. A password built from these, or from their words, counts as guessable.
    ///
    /// Only the first [`SCORED_CHARS`] code points (in NFKC, as a guesser's list would hold them) are estimated:
    /// the time grows with the square of the length, and faster with many different signs that stand for
    /// letters. Measured on a two-core machine: 0.2 s for text bred to be slow, 2 ms for ordinary text; at
    /// zxcvbn's own limit of 100 the slow text took 0.65 s. Call it where a hash would be computed, not on a
    /// thread that serves requests.
    ///
    /// # Errors
    /// The first reason to refuse, in the order of [`WeakPassword`].
    pub fn check(&self, password: &Password, context: &[&str]) -> Result<(), WeakPassword> {
        let text = password.expose();
        if text.chars().count() < self.min_length {
            return Err(WeakPassword::TooShort { min: self.min_length });
        }
        let mut scored = Zeroizing::new(String::with_capacity(SCORED_CHARS * char::MAX.len_utf8()));
        scored.extend(text.nfkc().take(SCORED_CHARS));
        let estimate = zxcvbn::zxcvbn(&scored, &words(context));
        let feedback = estimate.feedback();
        if feedback.is_some_and(is_common) {
            return Err(WeakPassword::Common);
        }
        if u8::from(estimate.score()) < self.min_strength {
            return Err(WeakPassword::Guessable { hint: hint(feedback) });
        }
        if estimate.guesses() <= GUESSES_OF_THE_LIST {
            return Err(WeakPassword::Common);
        }
        Ok(())
    }
}

/// The pieces of context to look for, whole and word by word; one or two characters occur in any password.
fn words<'a>(context: &[&'a str]) -> Vec<&'a str> {
    let parts = context.iter().flat_map(|item| item.split(|c: char| !c.is_alphanumeric()));
    let long_enough = |word: &&str| word.chars().nth(2).is_some();
    context.iter().copied().chain(parts).filter(long_enough).take(MAX_CONTEXT_WORDS).collect()
}

/// zxcvbn gives these three warnings exactly when the whole text, whatever its case, is one entry of its list
/// and that is the cheapest way to guess it. One entry in eight is cheaper as a run, a repetition or two
/// pieces: those have a strength of 0 or 1, and [`GUESSES_OF_THE_LIST`] finds them where the policy wants no more.
fn is_common(feedback: &Feedback) -> bool {
    matches!(
        feedback.warning(),
        Some(Warning::ThisIsATop10Password | Warning::ThisIsATop100Password | Warning::ThisIsACommonPassword)
    )
}

/// There is no feedback from strength 3 on.
fn hint(feedback: Option<&Feedback>) -> String {
    feedback
        .map_or_else(|| "Add another word or two. Uncommon words are better.".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PasswordPolicy = PasswordPolicy { min_length: 8, min_strength: 3 };

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).unwrap()
    }

    fn check(text: &str) -> Result<(), WeakPassword> {
        POLICY.check(&password(text), &[])
    }

    fn is_guessable(result: &Result<(), WeakPassword>) -> bool {
        matches!(result, Err(WeakPassword::Guessable { .. }))
    }

    #[test]
    fn length_counts_code_points_after_nfc() {
        for text in [
            "a".repeat(256),
            "\u{1f600}".repeat(256),
            "\u{3c9}\u{313}\u{342}\u{345}".repeat(256),
            " ".into(),
            "\0".into(),
        ] {
            assert!(Password::parse(text).is_ok());
        }
        for text in ["a".repeat(257), "\u{1f600}".repeat(257), "a".repeat(1 << 24)] {
            assert_eq!(Password::parse(text).map(|_| ()), Err(PasswordError::TooLong));
        }
        // One code point that is three in NFC.
        assert_eq!(Password::parse("\u{1d160}".repeat(86)).map(|_| ()), Err(PasswordError::TooLong));
        assert_eq!(Password::parse(String::new()).map(|_| ()), Err(PasswordError::Empty));
    }

    #[test]
    fn nfc_and_nfd_are_one_password_and_nothing_else_changes() {
        assert_eq!(password("Ame\u{301}lie").expose(), password("Am\u{e9}lie").expose());
        for text in [" a b\t\n", "a\0b", "\u{200b}\u{202e}", "\u{ff41}\u{fb01}"] {
            assert_eq!(password(text).expose(), text);
        }
    }

    #[test]
    fn shorter_than_the_minimum_is_refused_in_code_points() {
        assert_eq!(check("kX9#vQ2"), Err(WeakPassword::TooShort { min: 8 }));
        assert_eq!(check("\u{1f600}\u{4e2d}\u{e9}\u{1f601}"), Err(WeakPassword::TooShort { min: 8 }));
        assert_eq!(check("e\u{301}e\u{301}e\u{301}e\u{301}"), Err(WeakPassword::TooShort { min: 8 }));
        assert_eq!(check("kX9#vQ2&pL"), Ok(()));
    }

    #[test]
    fn common_passwords_are_refused_whatever_the_wanted_strength() {
        let any_strength = PasswordPolicy { min_strength: 0, ..POLICY };
        for text in ["password", "PassWord", "trustno1", "password1", "12345678", "\u{ff50}assword"] {
            assert_eq!(any_strength.check(&password(text), &[]), Err(WeakPassword::Common), "{text}");
            assert_eq!(check(text), Err(WeakPassword::Common), "{text}");
        }
        for text in ["compaq123", "15975312", "chris999"] {
            assert_eq!(any_strength.check(&password(text), &[]), Err(WeakPassword::Common), "{text}");
            assert!(is_guessable(&check(text)), "{text}");
        }
        assert_eq!(any_strength.check(&password("compaqhannah3"), &[]), Ok(()));
    }

    #[test]
    fn guessable_passwords_are_refused_with_a_hint() {
        for text in [
            "abcdefghijkl",
            "aaaaaaaaaaaaaaaaaa",
            "qwertyuiop[]",
            "p@ssw0rd!",
            "drowssap1",
            "12/03/1994",
            "Michael1994",
        ] {
            let result = check(text);
            assert!(is_guessable(&result), "{text}: {result:?}");
        }
        assert!(is_guessable(&check(&"a".repeat(256))));
        let late = "a".repeat(SCORED_CHARS) + "vK3#qLw9zT";
        assert!(is_guessable(&check(&late)), "what comes after the scored part does not count");
        assert_eq!(
            check("abcabcabcabc").unwrap_err().to_string(),
            "this password is too easy to guess. Repeats like \"abcabcabc\" are only slightly harder to guess than \
             \"abc\". Add another word or two. Uncommon words are better. Avoid repeated words and characters."
        );
        for text in [
            "correct horse battery staple",
            "vK3#qLw9zT",
            "\u{43a}\u{43e}\u{448}\u{43a}\u{430} \u{438}\u{434}\u{435}\u{442}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn strength_below_the_wanted_one_is_refused_even_without_feedback() {
        let strict = PasswordPolicy { min_strength: 4, ..POLICY };
        let three = password("kX9#vQ2&p");
        assert_eq!(POLICY.check(&three, &[]), Ok(()));
        assert!(is_guessable(&strict.check(&three, &[])));
    }

    #[test]
    fn what_is_known_of_the_person_does_not_make_a_password() {
        for text in ["wilhelmina.xanthopoulos", "Xanthopoulos7", "xanthopoulos-gmbh", "soluopohtnax"] {
            assert_eq!(check(text), Ok(()), "{text}");
            let result = POLICY
                .check(&password(text), &["wilhelmina.xanthopoulos", "gmbh.example", "Mina Xanthopoulos"]);
            assert!(is_guessable(&result), "{text}: {result:?}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        assert_eq!(
            format!("{:?} {:#?}", password("hunter2"), password("hunter2")),
            "Password(redacted) Password(redacted)"
        );
        let refused = check("hunter22").unwrap_err();
        assert!(!format!("{refused:?} {refused}").contains("hunter2"));
    }
}
