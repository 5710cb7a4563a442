//! What is kept of a request from phase to phase.
//!
//! [`Stage`] says how far a request is. A service is named only in `Stage::Admitted`; any phase reached
//! without it fails, so a missed step can never be a default "allow".

use pingora::{Error, ErrorType, Result};

use super::admission::Admitted;
use super::arrival::{Arrival, Handed};
use super::client_connection::{LeftOpen, Passed};
use super::report::Way;
use crate::telemetry::Outcome;

/// How far a request is.
pub(super) enum Stage {
    /// Nothing is decided.
    Arrived,
    /// It may reach the service of its route.
    Admitted(Admitted),
    /// The gateway has answered, or given up.
    Answered { way: Way, outcome: Outcome, reason: Option<&'static str> },
}

/// What is kept of a request from phase to phase.
pub struct Context {
    pub(super) handed: Option<Box<Handed>>,
    pub(super) stage: Stage,
    /// Of the service's answer, once it is on its way.
    pub(super) status: Option<u16>,
    pub(super) passed: Passed,
    /// Whether its line is written.
    pub(super) logged: bool,
    /// Servers of the upstream that were tried.
    pub(super) tries: usize,
    /// Why no service answered, and how that counts.
    pub(super) failure: Option<(Outcome, &'static str)>,
}

impl Context {
    /// A request of which nothing is known.
    pub(super) fn new() -> Self {
        Self {
            handed: None,
            stage: Stage::Arrived,
            status: None,
            passed: Passed::default(),
            logged: false,
            tries: 0,
            failure: None,
        }
    }

    /// What it asked.
    pub(super) fn arrival(&self) -> Result<&Arrival> {
        Ok(&self.handed()?.arrival)
    }

    /// What the edge handed over with it.
    pub(super) fn handed(&self) -> Result<&Handed> {
        self.handed.as_deref().ok_or_else(|| missed("a request without its arrival"))
    }

    /// The proof that it may reach a service.
    pub(super) fn admitted(&self) -> Result<&Admitted> {
        match &self.stage {
            Stage::Admitted(admitted) => Ok(admitted),
            Stage::Arrived | Stage::Answered { .. } => Err(missed("a request that was not admitted")),
        }
    }
}

/// A request that is given up leaves behind what its log line needs.
impl Drop for Context {
    fn drop(&mut self) {
        if self.logged {
            return;
        }
        if let (Some(handed), Stage::Admitted(admitted)) = (self.handed.take(), &self.stage) {
            let Handed { arrival, connection } = *handed;
            connection.leave(LeftOpen {
                arrival,
                route: admitted.route(),
                upstream: admitted.upstream(),
                account: admitted.caller().map(|caller| caller.claims().account_id()),
                status: self.status,
                passed: self.passed,
            });
        }
    }
}

fn missed(what: &'static str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, what)
}
