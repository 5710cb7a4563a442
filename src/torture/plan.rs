//! Which requests a run sends.

use std::sync::Arc;

use super::case::{Case, Protocol};
use super::corpus::{class_names, corpus};
use super::options::{Options, TortureError};
use super::sightings::canary;

/// Values in the names of requests are cut here.
const LONGEST_NAME: usize = 48;

/// A request to send.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Its place on the card.
    pub number: usize,
    /// Its class.
    pub class: Arc<str>,
    /// Its case.
    pub case: Arc<Case>,
    /// The value of `vary`.
    pub value: String,
    /// Over which protocol.
    pub over: Protocol,
    /// Its word.
    pub canary: String,
    /// The word of the good request afterwards.
    pub next_canary: String,
}

impl Job {
    /// The case, with the value that varies in brackets.
    pub(super) fn name(&self) -> String {
        if self.case.vary.is_empty() {
            return self.case.name.clone();
        }
        let value: String = self.value.escape_debug().take(LONGEST_NAME).collect();
        format!("{}[{value}]", self.case.name)
    }
}

/// All requests of the chosen classes over the chosen protocols, in the order of the corpus.
pub(super) fn jobs(options: &Options) -> Result<Vec<Job>, TortureError> {
    let known: Vec<_> = class_names().collect();
    if let Some(unknown) = options.classes.iter().find(|class| !known.contains(&class.as_str())) {
        return Err(TortureError::Class(unknown.clone(), known.join(", ")));
    }
    let mut jobs = Vec::new();
    for class in corpus()? {
        if !options.classes.is_empty() && !options.classes.contains(&class.class) {
            continue;
        }
        let name: Arc<str> = class.class.into();
        for case in class.cases {
            let case = Arc::new(case);
            let once = [String::new()];
            let values = if case.vary.is_empty() { &once[..] } else { &case.vary };
            for over in case.protocols().into_iter().filter(|over| options.over.contains(over)) {
                for value in values {
                    let number = jobs.len();
                    jobs.push(Job {
                        number,
                        class: Arc::clone(&name),
                        case: Arc::clone(&case),
                        value: value.clone(),
                        over,
                        canary: canary(options.seed, number.saturating_mul(2)),
                        next_canary: canary(options.seed, number.saturating_mul(2).saturating_add(1)),
                    });
                }
            }
        }
    }
    Ok(jobs)
}
