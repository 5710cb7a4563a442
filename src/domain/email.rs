//! E-mail addresses: what is accepted, and which two spellings are one address.
//!
//! Accepted is a plain mailbox (RFC 5321, section 4.1.2; with UTF-8, RFC 6531): no display name, no quoted
//! local part, no comment, no address literal, a domain of at least two labels. The `email_address` crate
//! judges the ASCII syntax; which other characters may stand in an address is decided here.
//!
//! Mail goes to the stored, shown form, never to the spelling a request brought: two spellings that fold
//! to one normal form may be two mailboxes.
//!
//! Not done here: the domain is not looked up, `xn--` labels and their Unicode spelling stay two addresses
//! (no IDNA), and no provider's own rules (dots, `+tag`) are applied.

use email_address::Options;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Longest address in bytes of UTF-8 (RFC 5321, section 4.5.3.1.3: a path of 256 with its brackets).
pub const MAX_BYTES: usize = 254;
/// Longest local part in bytes of UTF-8 (RFC 5321, section 4.5.3.1.1).
pub const MAX_LOCAL_BYTES: usize = 64;

/// Longer input is refused before any normalisation. Decomposed text may be longer than its NFC form;
/// four times is more than any real address needs.
const MAX_RAW_BYTES: usize = 4 * MAX_BYTES;
/// Folding rounds before a text counts as having no normal form. Two are enough for every known character.
const MAX_FOLDS: usize = 4;

const SYNTAX: Options =
    Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };

/// A syntactically valid address with its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    shown: String,
    normal: String,
}

/// Why a text is not an acceptable address; the text is a sentence for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Nothing but white space.
    #[error("the e-mail address is empty")]
    Empty,
    /// More than [`MAX_BYTES`], as given or in its normal form.
    #[error("the e-mail address is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// More than [`MAX_LOCAL_BYTES`] before the `@`, as given or in its normal form.
    #[error("the part of the e-mail address before the @ is longer than {MAX_LOCAL_BYTES} bytes")]
    LocalPartTooLong,
    /// Not a mailbox as described in the module's documentation.
    #[error("this is not an e-mail address of the form name@example.com")]
    Syntax,
}

impl EmailAddress {
    /// Trims, checks and normalises an address.
    ///
    /// The shown form is the trimmed text in NFC. The normal form is NFKC and lower case (full Unicode
    /// mapping), local part and domain, repeated until stable: the normal form of a normal form is itself.
    ///
    /// # Errors
    /// [`EmailError`] when the shown or the normal form is not acceptable, or when folding would create a
    /// character with a meaning in an address (`@`, a dot, a space) out of one that has none.
    pub fn parse(raw: &str) -> Result<Self, EmailError> {
        let trimmed = raw.trim();
        if trimmed.len() > MAX_RAW_BYTES {
            return Err(EmailError::TooLong);
        }
        let shown: String = trimmed.nfc().collect();
        check(&shown)?;
        let normal = fold(&shown).ok_or(EmailError::Syntax)?;
        check(&normal)?;
        if !punctuation(&shown).eq(punctuation(&normal)) {
            return Err(EmailError::Syntax);
        }
        Ok(Self { shown, normal })
    }

    /// An address that a store kept.
    pub fn from_stored(shown: String, normal: String) -> Self {
        Self { shown, normal }
    }

    /// As the person wrote it, trimmed.
    pub fn as_shown(&self) -> &str {
        &self.shown
    }

    /// The form that is unique: NFKC, lower case.
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

fn check(address: &str) -> Result<(), EmailError> {
    if address.is_empty() {
        return Err(EmailError::Empty);
    }
    if address.len() > MAX_BYTES {
        return Err(EmailError::TooLong);
    }
    let (local, domain) = address.rsplit_once('@').ok_or(EmailError::Syntax)?;
    if local.len() > MAX_LOCAL_BYTES {
        return Err(EmailError::LocalPartTooLong);
    }
    let plain = !local.contains('"') && is_host_name(domain);
    let ascii = ascii_stand_in(address).filter(|_| plain).ok_or(EmailError::Syntax)?;
    match email_address::EmailAddress::parse_with_options(&ascii, SYNTAX) {
        Ok(_) => Ok(()),
        Err(_) => Err(EmailError::Syntax),
    }
}

/// The crate takes every atom character (`!`, `_`, `/`, ...) in a domain; a host name has letters, digits
/// and hyphens (RFC 5321, section 2.3.5), and its last label is no number (RFC 3696, section 2).
fn is_host_name(domain: &str) -> bool {
    let last = domain.rsplit('.').next().unwrap_or_default();
    domain.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-' || c == '.')
        && !last.bytes().all(|b| b.is_ascii_digit())
}

/// The address with every other character than ASCII replaced by as many letters as it has bytes, so that
/// the crate judges syntax and lengths only: version 0.2 looks for UTF-8 bytes in code points and refuses,
/// among others, the marks that Indic scripts need.
///
/// `None` when a character may not stand in an address: white space, controls, symbols, format characters,
/// anything invisible, or a combining mark with nothing to combine with.
fn ascii_stand_in(address: &str) -> Option<String> {
    let mut ascii = String::with_capacity(address.len());
    let mut at_start = true;
    for c in address.chars() {
        if c.is_ascii_graphic() {
            ascii.push(c);
        } else if !c.is_ascii()
            && !is_invisible(c)
            && (c.is_alphanumeric() || (is_combining_mark(c) && !at_start))
        {
            ascii.extend(std::iter::repeat_n('x', c.len_utf8()));
        } else {
            return None;
        }
        at_start = matches!(c, '.' | '@');
    }
    Some(ascii)
}

/// Letters and marks that show nothing (Unicode `Default_Ignorable_Code_Point`). The ignorable format
/// characters (category Cf) are neither letters nor marks.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

fn fold(text: &str) -> Option<String> {
    let mut current = text.to_owned();
    for _ in 0..MAX_FOLDS {
        let next = current.nfkc().collect::<String>().to_lowercase();
        if next == current {
            return Some(current);
        }
        current = next;
    }
    None
}

fn punctuation(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| c.is_ascii() && !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(raw: &str) -> String {
        EmailAddress::parse(raw).unwrap().normal().to_owned()
    }

    #[test]
    fn mailboxes_are_accepted_with_their_normal_form() {
        for (raw, expected) in [
            ("  Ann.Lee+x@Example.COM\n", "ann.lee+x@example.com"),
            ("o'brien_!#$%&*/=?^`{|}~-@a-b.co", "o'brien_!#$%&*/=?^`{|}~-@a-b.co"),
            ("JO\u{308}RG@BU\u{308}CHER.de", "j\u{f6}rg@b\u{fc}cher.de"),
            ("ａｎｎ@example.com", "ann@example.com"),
            ("\u{212a}im\u{fb01}@example.com", "kimfi@example.com"),
            ("\u{130}x@example.com", "i\u{307}x@example.com"),
            (
                "\u{938}\u{902}\u{92a}\u{930}\u{94d}\u{915}@\u{921}\u{93e}\u{91f}\u{93e}.\u{92d}\u{93e}\u{930}\u{924}",
                "\u{938}\u{902}\u{92a}\u{930}\u{94d}\u{915}@\u{921}\u{93e}\u{91f}\u{93e}.\u{92d}\u{93e}\u{930}\u{924}",
            ),
            ("a@1.2.3.four", "a@1.2.3.four"),
        ] {
            assert_eq!(normal(raw), expected, "{raw}");
        }
    }

    #[test]
    fn shown_form_keeps_the_spelling_trimmed_and_composed() {
        assert_eq!(
            EmailAddress::parse(" Jo\u{308}rg@Example.com ").unwrap().as_shown(),
            "J\u{f6}rg@Example.com"
        );
    }

    #[test]
    fn everything_but_a_plain_mailbox_is_refused() {
        for raw in [
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "ann@example.com.",
            "ann@.com",
            "ann@a..com",
            "a@b@example.com",
            ".ann@example.com",
            "ann.@example.com",
            "a..b@example.com",
            "\"ann\"@example.com",
            "\"a b\"@example.com",
            "\"@\"@example.com",
            "ann(x)@example.com",
            "(x)ann@example.com",
            "Ann <ann@example.com>",
            "<ann@example.com>",
            "mailto:ann@example.com",
            "ann@[127.0.0.1]",
            "ann@127.0.0.1",
            "ann@-a.com",
            "ann@a-.com",
            "ann@a_b.com",
            "ann@a/b.com",
            "ann@a$b.com",
            "a b@example.com",
            "a\tb@example.com",
            "a\r\nb@example.com",
            "ann@exa\0mple.com",
            "a\u{7f}b@example.com",
            "a\u{85}b@example.com",
            "a\u{a0}b@example.com",
            "a,b@example.com",
            "a;b@example.com",
            "a\\b@example.com",
            "ann\u{1f600}@example.com",
            "ann\u{2122}@example.com",
            "\u{301}ann@example.com",
            "ann@\u{301}x.com",
            "ann@x.\u{301}com",
        ] {
            assert_eq!(EmailAddress::parse(raw), Err(EmailError::Syntax), "{raw:?}");
        }
    }

    #[test]
    fn characters_that_fold_to_structure_are_refused() {
        // Fullwidth @, comma and dot, "1.", "(1)", an iota that folds to a space, a phrase with spaces, 1/2.
        for c in
            "\u{ff20}\u{ff0c}\u{ff0e}\u{3002}\u{2488}\u{2474}\u{37a}\u{fdfa}\u{bd}\u{fe6b}\u{2100}\u{3000}"
                .chars()
        {
            for raw in [format!("a{c}b@example.com"), format!("a@exa{c}mple.com"), format!("a@example{c}com")]
            {
                assert_eq!(EmailAddress::parse(&raw), Err(EmailError::Syntax), "{raw}");
            }
        }
    }

    #[test]
    fn invisible_and_direction_characters_are_refused() {
        let format = "\u{ad}\u{600}\u{61c}\u{6dd}\u{70f}\u{8e2}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\u{202e}\u{2060}\
            \u{2066}\u{2069}\u{feff}\u{fff9}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\u{e0001}\u{e0041}";
        let ignorable = "\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{3164}\u{fe0f}\u{ffa0}\u{e0100}";
        for c in format.chars().chain(ignorable.chars()) {
            let raw = format!("a{c}b@example.com");
            assert_eq!(EmailAddress::parse(&raw), Err(EmailError::Syntax), "{raw:?}");
        }
    }

    #[test]
    fn lengths_are_bytes_of_the_shown_and_of_the_normal_form() {
        let local = |n: usize| format!("{}@example.com", "a".repeat(n));
        assert!(EmailAddress::parse(&local(64)).is_ok());
        assert_eq!(EmailAddress::parse(&local(65)), Err(EmailError::LocalPartTooLong));
        assert!(EmailAddress::parse(&format!("{}@example.com", "\u{e9}".repeat(32))).is_ok());
        assert_eq!(
            EmailAddress::parse(&format!("{}@example.com", "\u{e9}".repeat(33))),
            Err(EmailError::LocalPartTooLong)
        );
        // 66 bytes as given, 22 in the normal form.
        assert_eq!(
            EmailAddress::parse(&format!("{}@example.com", "\u{ff41}".repeat(22))),
            Err(EmailError::LocalPartTooLong)
        );
        // Decomposed it has 96 bytes, composed 64.
        assert!(EmailAddress::parse(&format!("{}@example.com", "e\u{301}".repeat(32))).is_ok());
        // U+FB13, a ligature of 3 bytes, folds to two letters of 2 bytes.
        assert_eq!(
            EmailAddress::parse(&format!("{}@example.com", "\u{fb13}".repeat(21))),
            Err(EmailError::LocalPartTooLong)
        );
        let whole = |n: usize| format!("a@{}{}com", "b1234.".repeat(40), "c".repeat(n));
        assert!(EmailAddress::parse(&whole(MAX_BYTES - whole(0).len())).is_ok());
        assert_eq!(EmailAddress::parse(&whole(MAX_BYTES + 1 - whole(0).len())), Err(EmailError::TooLong));
        let label = |n: usize| format!("a@{}.com", "c".repeat(n));
        assert!(EmailAddress::parse(&label(63)).is_ok());
        assert_eq!(EmailAddress::parse(&label(64)), Err(EmailError::Syntax));
        assert_eq!(EmailAddress::parse(&"a".repeat(1 << 20)), Err(EmailError::TooLong));
        assert_eq!(EmailAddress::parse(" \u{3000}\n"), Err(EmailError::Empty));
    }

    #[test]
    fn every_single_letter_has_a_stable_normal_form() {
        for c in ('\0'..=char::MAX).filter(|c| c.is_alphanumeric()) {
            if let Ok(address) = EmailAddress::parse(&format!("a{c}b@example.com")) {
                assert_eq!(normal(address.normal()), address.normal(), "{c:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn normal_form_of_a_normal_form_is_itself(
            local in "[\\p{L}\\p{M}\\p{N}.+]{1,12}", domain in "[\\p{L}\\p{M}\\p{N}]{1,8}", raw in "\\PC{0,30}"
        ) {
            for text in [format!("{local}@{domain}.com"), raw] {
                if let Ok(address) = EmailAddress::parse(&text) {
                    let again = EmailAddress::parse(address.normal());
                    prop_assert_eq!(again.as_ref().map(EmailAddress::normal), Ok(address.normal()));
                    let shown = EmailAddress::parse(address.as_shown());
                    prop_assert_eq!(shown.as_ref(), Ok(&address));
                }
            }
        }
    }
}
