//! What the words in braces stand for, in one concrete request.

/// Repetitions make at most this many bytes; more is a mistake in the corpus.
const LONGEST_REPETITION: usize = 2 * 1024 * 1024;

/// The values of the placeholders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    /// The prefix of a public route.
    pub public: &'a str,
    /// The prefix of a protected route.
    pub protected: &'a str,
    /// The authority of the gateway.
    pub host: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The token of this case.
    pub token: &'a str,
    /// The value of `vary`.
    pub value: &'a str,
    /// The word that tells this request from all others.
    pub canary: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

impl Words<'_> {
    /// Replaces the placeholders of a text.
    pub(super) fn text(&self, template: &str) -> String {
        let template = template.replace("{v}", self.value);
        let mut text = String::new();
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            match after.split_once('}').and_then(|(name, after)| Some((self.word(name)?, after))) {
                Some((word, after)) => {
                    text.push_str(&word);
                    rest = after;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        text
    }

    /// The same as bytes, `\xHH` taken as one.
    pub(super) fn bytes(&self, template: &str) -> Vec<u8> {
        unescaped(&self.text(template))
    }

    /// The bytes between the `{pause}`s.
    pub(super) fn parts(&self, template: &str) -> Vec<Vec<u8>> {
        let template = template.replace("{v}", self.value);
        template.split("{pause}").map(|part| self.bytes(part)).collect()
    }

    fn word(&self, name: &str) -> Option<String> {
        Some(match name {
            "public" => self.public.to_owned(),
            "protected" => self.protected.to_owned(),
            "host" => self.host.to_owned(),
            "scheme" => self.scheme.to_owned(),
            "token" => self.token.to_owned(),
            "canary" => self.canary.to_owned(),
            "now" => self.now.to_string(),
            _ => match (name.strip_prefix("now"), name.split_once('*')) {
                (Some(shift), _) => self.now.checked_add(shift.parse().ok()?)?.to_string(),
                (None, Some((count, text))) => {
                    let count: usize = count.parse().ok()?;
                    let fits = count.checked_mul(text.len())? <= LONGEST_REPETITION;
                    fits.then(|| text.repeat(count))?
                }
                (None, None) => return None,
            },
        })
    }
}

/// `\xHH` is the byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words {
        public: "/public",
        protected: "/private",
        host: "127.0.0.1:1",
        scheme: "http",
        token: "a.b.c",
        value: "{public}/..",
        canary: "cnry0",
        now: 1000,
    };

    #[test]
    fn words_in_braces_are_replaced_and_other_braces_stay() {
        for (template, text) in [
            ("{v}{protected}", "/public/../private"),
            ("{now} {now+60} {now-60}", "1000 1060 940"),
            ("{3*ab}|{2*{\"a\":}", "ababab|{\"a\":{\"a\":"),
            ("{h}.{p} {", "{h}.{p} {"),
            ("{9999999*aa}", "{9999999*aa}"),
        ] {
            assert_eq!(WORDS.text(template), text);
        }
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(WORDS.bytes("a\\x00\\xfFb\\xg0\\x"), b"a\0\xffb\\xg0\\x");
        assert_eq!(WORDS.parts("a{pause}{canary}"), [b"a".to_vec(), b"cnry0".to_vec()]);
    }
}
