//! The follower: what a replica that serves asks its two sources, and what their answers prove.

use std::time::Duration;

use super::durable_lane::DurableLane;
use super::lease::Lease;
use super::need::Need;
use super::stream_lane::{Fate, OpenStream, StreamLane};
use super::{DurablePage, Monotonic, Position, Renewal, StreamAnswer};

/// What does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FollowerRules {
    /// Whether this kind of store has a stream; if so, replicas register too.
    pub has_stream: bool,
    /// How long the stream alone may be followed after a registration was sent.
    pub lease: Duration,
}

/// Where something came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The durable store.
    Durable,
    /// The stream.
    Stream,
}

/// Why the durable store has to be read (again) before the stream counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResyncCause {
    /// An entry was missing in the stream.
    Gap,
    /// The connection to the stream ended.
    StreamLost,
    /// The stream is another one than before: emptied, restarted.
    StreamReplaced,
    /// The stream holds what this durable store never gave out.
    StreamForeign,
    /// The durable store lost its last commits: a failover, a restored backup.
    StoreWentBack,
}

/// The question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No answer, or no connection.
    Lost,
    /// An answer, by another stream than the one that was identified. Of the durable store: as [`Self::Lost`].
    Replaced,
}

/// What happened. `began`: the moment before the question was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time to look.
    Tick,
    /// The end of [`Action::ReadDurable`]; all entries of the page are in the live set.
    DurableRead {
        /// Before the question.
        began: Monotonic,
        /// The answer.
        outcome: Result<DurablePage, Failure>,
    },
    /// The end of [`Action::Register`].
    Registered {
        /// Before the question.
        began: Monotonic,
        /// The answer.
        outcome: Result<Renewal, Failure>,
    },
    /// The end of [`Action::Sweep`]: after which number it goes on, or none at its end.
    Swept {
        /// The answer.
        outcome: Result<Option<i64>, Failure>,
    },
    /// The end of [`Action::OpenStream`]: the highest number that the stream ever held.
    StreamOpened {
        /// The answer.
        outcome: Result<i64, Failure>,
    },
    /// The end of [`Action::ReadStream`]; all entries of the answer are in the live set. The stream's identity
    /// was checked behind the read, on the same connection.
    StreamRead {
        /// Before the question.
        began: Monotonic,
        /// The answer.
        outcome: Result<StreamAnswer, Failure>,
    },
    /// The end of [`Action::ResetStream`], however it ended; the connection is closed.
    StreamReset,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the durable store for everything above this position.
    ReadDurable {
        /// Up to here everything is known.
        after: Position,
    },
    /// Tell the durable store how far this replica is.
    Register {
        /// Up to here everything is known.
        followed: Position,
    },
    /// Ask the durable store for a page above this number, whatever is known.
    Sweep {
        /// Where to go on.
        after: i64,
    },
    /// Connect to the stream (closing a connection that is open) and identify it.
    OpenStream,
    /// Ask the stream for everything above this number, waiting a little for the next entry.
    ReadStream {
        /// Up to here everything is known.
        after: i64,
    },
    /// Delete the stream and close the connection.
    ResetStream,
    /// Everything that was acknowledged before this moment is in the live set.
    Prove {
        /// The moment.
        as_of: Monotonic,
        /// Who proved it.
        source: Source,
    },
    /// To be counted.
    Resync(ResyncCause),
}

/// One replica's follower.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Follower {
    rules: FollowerRules,
    position: Position,
    durable: DurableLane,
    stream: StreamLane,
    lease: Option<Lease>,
    proven: Option<Monotonic>,
}

impl Follower {
    /// One that knows nothing.
    pub fn new(rules: FollowerRules) -> Self {
        let stream = if rules.has_stream { StreamLane::Closed } else { StreamLane::Absent };
        let durable = DurableLane::default();
        Self { rules, position: Position::START, durable, stream, lease: None, proven: None }
    }

    /// Takes what happened; says what is to be done, in order.
    pub fn handle(&mut self, now: Monotonic, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Tick => self.tick(now, &mut actions),
            Event::DurableRead { began, outcome } => self.durable_read(began, outcome, &mut actions),
            Event::Registered { began, outcome } => self.registered(now, began, outcome),
            Event::Swept { outcome } => {
                self.durable.busy = false;
                self.durable.swept(now, outcome.unwrap_or(None));
            }
            Event::StreamOpened { outcome } => {
                self.stream = match outcome {
                    Ok(head) => StreamLane::Open(OpenStream::new(head)),
                    Err(_) => StreamLane::Closed,
                };
                self.durable.read_wanted |= outcome.is_ok();
            }
            Event::StreamRead { began, outcome } => self.stream_read(began, outcome, &mut actions),
            Event::StreamReset => self.stream = StreamLane::Closed,
        }
        self.ask_durable(now, &mut actions);
        self.ask_stream(&mut actions);
        actions
    }

    /// Up to where everything is known.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// As of when the live set is known to be complete.
    pub const fn proven(&self) -> Option<Monotonic> {
        self.proven
    }

    /// Whether a request that starts `now` may rely on the live set.
    pub fn is_fresh(&self, now: Monotonic, max_staleness: Duration) -> bool {
        self.proven.is_some_and(|as_of| now.since(as_of) <= max_staleness)
    }

    /// Whether the durable store answered last time.
    pub const fn durable_answers(&self) -> bool {
        self.durable.answers
    }

    /// Whether an answer of the stream to a question sent at `asked` counts: the durable store vouches for the
    /// stream (it was read to its end after the stream was identified), and no writer overlooks this replica (it
    /// was read to its end after the registration, which holds without a break since then).
    pub fn trusts_stream(&self, asked: Monotonic) -> bool {
        let StreamLane::Open(stream) = &self.stream else { return false };
        let registered = |lease: &Lease| lease.caught_up.is_met() && lease.holds(asked);
        stream.is_vouched() && self.lease.as_ref().is_some_and(registered)
    }

    fn tick(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        if !self.durable.busy {
            self.durable.read_wanted = true;
            self.durable.register_wanted |= self.rules.has_stream && self.lease.is_none();
            self.durable.sweep.wanted = self.proven.is_some() && now >= self.durable.sweep.not_before;
        }
        if self.stream == StreamLane::Closed {
            self.stream = StreamLane::Changing;
            actions.push(Action::OpenStream);
        }
    }

    fn durable_read(
        &mut self,
        began: Monotonic,
        outcome: Result<DurablePage, Failure>,
        actions: &mut Vec<Action>,
    ) {
        self.durable.busy = false;
        self.durable.answers = outcome.is_ok();
        let Ok(page) = outcome else { return };
        if page.restarted {
            self.position = Position::START;
            if let StreamLane::Open(stream) = &mut self.stream {
                stream.fate = Fate::Identify;
            }
            actions.push(Action::Resync(ResyncCause::StoreWentBack));
        }
        if let Some(last) = page.last.filter(|last| last.number > self.position.number) {
            self.position = last;
        }
        if page.more {
            self.durable.read_wanted = true;
            return;
        }
        if let StreamLane::Open(stream) = &mut self.stream {
            stream.read_store(page.newest);
        }
        if let Some(lease) = &mut self.lease {
            lease.caught_up.read();
        }
        self.prove(began, Source::Durable, actions);
        self.durable.register_wanted |= self.rules.has_stream;
    }

    fn registered(&mut self, now: Monotonic, began: Monotonic, outcome: Result<Renewal, Failure>) {
        self.durable.busy = false;
        self.durable.answers = outcome.is_ok();
        match outcome {
            Ok(renewal) => {
                let lease = Lease::after(self.lease.take(), began, now, renewal, self.rules.lease);
                self.durable.read_wanted |= lease.caught_up == Need::Unasked;
                self.lease = Some(lease);
            }
            Err(_) => self.durable.registered = None,
        }
    }

    fn stream_read(
        &mut self,
        began: Monotonic,
        outcome: Result<StreamAnswer, Failure>,
        actions: &mut Vec<Action>,
    ) {
        let StreamLane::Open(stream) = &mut self.stream else { return };
        stream.busy = false;
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                actions.push(Action::Resync(match failure {
                    Failure::Lost => ResyncCause::StreamLost,
                    Failure::Replaced => ResyncCause::StreamReplaced,
                }));
                self.stream = StreamLane::Closed;
                return;
            }
        };
        if !stream.is_vouched() {
            // No longer: while the question was under way the durable store went back.
            return;
        }
        for entry in &answer.entries {
            stream.saw(entry.number);
            let next = self.position.number.saturating_add(1);
            if entry.number == next {
                self.position = *entry;
            } else if entry.number > next {
                stream.miss();
                self.durable.read_wanted = true;
                actions.push(Action::Resync(ResyncCause::Gap));
                return;
            }
        }
        if !answer.more && self.trusts_stream(began) {
            self.prove(began, Source::Stream, actions);
        }
    }

    fn prove(&mut self, as_of: Monotonic, source: Source, actions: &mut Vec<Action>) {
        self.proven = self.proven.max(Some(as_of));
        actions.push(Action::Prove { as_of, source });
    }

    fn ask_durable(&mut self, now: Monotonic, actions: &mut Vec<Action>) {
        let lane = &mut self.durable;
        if lane.busy {
            return;
        }
        let sent = self.lease.as_ref().map(Lease::sent);
        let register = std::mem::take(&mut lane.register_wanted)
            && lane.registration_is_due(self.position.number, sent, now);
        let first = register && self.lease.is_none();
        if lane.read_wanted && !first {
            lane.read_wanted = false;
            lane.register_wanted = register;
            if let StreamLane::Open(stream) = &mut self.stream {
                stream.ask_store();
            }
            if let Some(lease) = &mut self.lease {
                lease.caught_up.ask();
            }
            actions.push(Action::ReadDurable { after: self.position });
        } else if register {
            lane.registered = Some(self.position.number);
            actions.push(Action::Register { followed: self.position });
        } else if std::mem::take(&mut lane.sweep.wanted) {
            actions.push(Action::Sweep { after: lane.sweep.after });
        } else {
            return;
        }
        lane.busy = true;
    }

    fn ask_stream(&mut self, actions: &mut Vec<Action>) {
        let StreamLane::Open(stream) = &mut self.stream else { return };
        if stream.busy {
            return;
        }
        match stream.fate {
            Fate::Read => {
                if stream.is_vouched() {
                    stream.busy = true;
                    actions.push(Action::ReadStream { after: self.position.number });
                }
            }
            Fate::Identify => {
                self.stream = StreamLane::Changing;
                actions.push(Action::OpenStream);
            }
            Fate::Reset => {
                self.stream = StreamLane::Changing;
                actions.push(Action::Resync(ResyncCause::StreamForeign));
                actions.push(Action::ResetStream);
            }
        }
    }
}
