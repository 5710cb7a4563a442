//! Which requests at the upstream belong to which request of ours.

use std::collections::HashMap;

use super::recorder::Record;

/// What canaries begin with.
const PREFIX: &str = "cnry";

/// Their length.
const LENGTH: usize = 24;

/// The canary of the request with this number, in a run with this seed. Lower-case letters and digits only, so
/// that nothing on the way has a reason to write it otherwise.
pub(super) fn canary(seed: u64, number: usize) -> String {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let run = u32::try_from(seed & 0xffff_ffff).unwrap_or_default();
    // The number in the middle: no canary is the beginning of another, and neighbours differ early.
    format!("{PREFIX}{number:08x}{run:08x}{:04x}", seed >> 48)
}

/// The records by the canaries in them.
pub(super) struct Sightings<'a> {
    by_canary: HashMap<Vec<u8>, Vec<&'a Record>>,
}

impl<'a> Sightings<'a> {
    /// Looks through all records.
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut by_canary: HashMap<Vec<u8>, Vec<&'a Record>> = HashMap::new();
        for record in records {
            // A word may be cut by the framing of chunks.
            let content = record.content().unwrap_or_default();
            for bytes in [&record.raw, &content] {
                for at in memchr::memmem::find_iter(bytes, PREFIX) {
                    let word = bytes.get(at..at.saturating_add(LENGTH)).unwrap_or_default();
                    let seen = by_canary.entry(word.to_vec()).or_default();
                    if seen.last().is_none_or(|last| last.seq != record.seq) {
                        seen.push(record);
                    }
                }
            }
        }
        Self { by_canary }
    }

    /// Those that hold this one.
    pub(super) fn with(&self, canary: &str) -> Vec<&'a Record> {
        self.by_canary.get(canary.as_bytes()).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> = (0..5000).map(|number| canary(42, number)).collect();
        assert_eq!(words.len(), 5000);
        assert!(words.iter().all(|word| word.len() == LENGTH && word.starts_with(PREFIX)));
        assert_ne!(canary(1, 0), canary(2, 0));
    }
}
