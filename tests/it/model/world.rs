//! Three replicas that follow, one durable store, one stream, and a writer (replica 0) that ends a session.
//!
//! The replicas run the program's own state machines. Time passes in steps; in each, every replica that is not
//! held up asks its questions and hears the answers. What is left to chance, and therefore tried in every order,
//! is when the writer does its next step and which faults happen when.

use std::collections::BTreeSet;
use std::time::Duration;

use gateward::domain::clock::Timestamp;
use gateward::domain::feed::{
    Acknowledgement, Action, DurablePage, Event, Failure, Follower, FollowerRules, Monotonic, Position,
    Published, Registration, Renewal, StreamAnswer, Verdict,
};
use gateward::domain::id::ReplicaId;

/// How long a replica may follow the stream alone.
pub const LEASE: Duration = Duration::from_millis(1500);
/// How long the writer waits for the other replicas.
const PATIENCE: Duration = Duration::from_millis(1000);
/// How far time goes at once.
const STEP: Duration = Duration::from_millis(500);
/// Questions and answers that fit into one step.
const ROUNDS: usize = 4;

/// Which of a replica's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    Durable,
    Stream,
}

/// What goes wrong, or is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The edge is cut: questions under way are lost, new ones too.
    Cut(usize, Lane),
    /// The answer that is asked for next is given, and arrives when the delay ends.
    Delay(usize, Lane),
    /// The process stands still.
    Pause(usize),
    /// The stream is emptied, its identity with it.
    Flush,
    /// Another server takes over the stream; its identity is known there, its last entry is not.
    Failover,
    /// The process is replaced by a new one.
    Restart(usize),
}

/// A question under way, with its answer once there is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    action: Action,
    began: Monotonic,
    answer: Option<(Event, Vec<i64>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Replica {
    id: ReplicaId,
    pub follower: Follower,
    pub live: BTreeSet<i64>,
    questions: [Option<Question>; 2],
    cut: [bool; 2],
    delayed: [bool; 2],
    paused: bool,
    /// The stream that it identified.
    identity: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Stream {
    identity: u8,
    entries: BTreeSet<i64>,
    last: i64,
}

/// How far the writer is with an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum End {
    Committed(Acknowledgement, i64),
    Waiting(Acknowledgement, i64),
    Acknowledged { number: i64, at: Monotonic, by_stream: bool },
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Monotonic,
    newest: i64,
    stream: Stream,
    registrations: Vec<(ReplicaId, i64, Monotonic)>,
    pub replicas: Vec<Replica>,
    pub ends: Vec<End>,
    births: u8,
}

impl World {
    /// Three replicas that have settled.
    pub fn settled() -> Self {
        let mut world = Self {
            now: Monotonic::from_millis(0),
            newest: 0,
            stream: Stream::default(),
            registrations: Vec::new(),
            replicas: Vec::new(),
            ends: Vec::new(),
            births: 0,
        };
        for _ in 0..3 {
            let replica = world.new_replica();
            world.replicas.push(replica);
        }
        for _ in 0..3 {
            world.pass();
        }
        world
    }

    fn new_replica(&mut self) -> Replica {
        self.births += 1;
        Replica {
            id: ReplicaId::new(Timestamp::from_unix_millis(0), [self.births; 10]),
            follower: Follower::new(FollowerRules { has_stream: true, lease: LEASE }),
            live: BTreeSet::new(),
            questions: [None, None],
            cut: [false; 2],
            delayed: [false; 2],
            paused: false,
            identity: 0,
        }
    }

    /// A step of time in which whoever is not held up works.
    pub fn pass(&mut self) {
        for r in 0..self.replicas.len() {
            self.tell(r, Event::Tick);
        }
        for _ in 0..ROUNDS {
            for r in 0..self.replicas.len() {
                for lane in [Lane::Durable, Lane::Stream] {
                    self.execute(r, lane);
                    self.deliver(r, lane);
                }
            }
        }
        self.now = self.now.plus(STEP);
    }

    pub fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(r, lane) => self.replicas[r].cut[slot(lane)] = true,
            Fault::Delay(r, lane) => {
                // A question goes out now, so that its answer is as old as it can be.
                self.tell(r, Event::Tick);
                self.execute(r, lane);
                self.replicas[r].delayed[slot(lane)] = true;
            }
            Fault::Pause(r) => self.replicas[r].paused = true,
            Fault::Flush => self.stream = Stream { identity: self.stream.identity + 1, ..Stream::default() },
            Fault::Failover => {
                if let Some(lost) = self.stream.entries.pop_last() {
                    self.stream.last = lost - 1;
                }
                for r in 0..self.replicas.len() {
                    self.lose(r, Lane::Stream);
                }
            }
            Fault::Restart(r) => self.replicas[r] = self.new_replica(),
        }
    }

    /// Takes a fault back. A process that goes on after a pause may admit before it hears anything.
    pub fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(r, lane) => self.replicas[r].cut[slot(lane)] = false,
            Fault::Delay(r, lane) => {
                self.replicas[r].delayed[slot(lane)] = false;
                self.deliver(r, lane);
            }
            Fault::Pause(r) => self.replicas[r].paused = false,
            Fault::Flush | Fault::Failover | Fault::Restart(_) => {}
        }
    }

    fn tell(&mut self, r: usize, event: Event) {
        if self.replicas[r].paused {
            return;
        }
        for action in self.replicas[r].follower.handle(self.now, event) {
            let lane = match action {
                Action::ReadDurable { .. } | Action::Register { .. } | Action::Sweep { .. } => Lane::Durable,
                Action::OpenStream | Action::ReadStream { .. } | Action::ResetStream => Lane::Stream,
                Action::Prove { .. } | Action::Resync(_) => continue,
            };
            let question = Question { action, began: self.now, answer: None };
            assert!(self.replicas[r].questions[slot(lane)].replace(question).is_none(), "one at a time");
        }
    }

    fn execute(&mut self, r: usize, lane: Lane) {
        let Some(question) = self.replicas[r].questions[slot(lane)].clone() else { return };
        if question.answer.is_none() {
            let answer = self.answer(r, lane, &question);
            self.replicas[r].questions[slot(lane)] = Some(Question { answer: Some(answer), ..question });
        }
    }

    fn deliver(&mut self, r: usize, lane: Lane) {
        let replica = &mut self.replicas[r];
        if replica.paused || replica.delayed[slot(lane)] {
            return;
        }
        let Some((event, entries)) = replica.questions[slot(lane)].take().and_then(|asked| asked.answer)
        else {
            return;
        };
        replica.live.extend(entries);
        self.tell(r, event);
    }

    /// The connection breaks with the question on it.
    fn lose(&mut self, r: usize, lane: Lane) {
        let asked = self.replicas[r].questions[slot(lane)].as_mut();
        if let Some(asked) = asked.filter(|asked| matches!(asked.action, Action::ReadStream { .. })) {
            let outcome = Err(Failure::Lost);
            asked.answer = Some((Event::StreamRead { began: asked.began, outcome }, Vec::new()));
        } else {
            // Idle: the next question finds it broken.
            self.replicas[r].identity = u8::MAX;
        }
    }

    fn answer(&mut self, r: usize, lane: Lane, question: &Question) -> (Event, Vec<i64>) {
        let (began, there) = (question.began, !self.replicas[r].cut[slot(lane)]);
        match question.action {
            Action::ReadDurable { after } => {
                let page: Vec<i64> = (after.number + 1..=self.newest).collect();
                let answer = DurablePage {
                    last: page.last().map(|number| at(*number)),
                    more: false,
                    restarted: false,
                    newest: self.newest,
                };
                let outcome = if there { Ok(answer) } else { Err(Failure::Lost) };
                (Event::DurableRead { began, outcome }, if there { page } else { Vec::new() })
            }
            Action::Register { followed } => {
                let outcome = if there { Ok(self.register(r, followed.number)) } else { Err(Failure::Lost) };
                (Event::Registered { began, outcome }, Vec::new())
            }
            Action::Sweep { .. } => (Event::Swept { outcome: Ok(None) }, Vec::new()),
            Action::OpenStream => {
                self.replicas[r].identity = if there { self.stream.identity } else { u8::MAX };
                let outcome = if there { Ok(self.stream.last) } else { Err(Failure::Lost) };
                (Event::StreamOpened { outcome }, Vec::new())
            }
            Action::ReadStream { after } => {
                let entries: Vec<i64> = self.stream.entries.range(after + 1..).copied().collect();
                let known = self.replicas[r].identity;
                let outcome = match (there && known != u8::MAX, known == self.stream.identity) {
                    (true, true) => {
                        Ok(StreamAnswer { entries: entries.iter().map(|n| at(*n)).collect(), more: false })
                    }
                    (true, false) => Err(Failure::Replaced),
                    (false, _) => Err(Failure::Lost),
                };
                let entries = if outcome.is_ok() { entries } else { Vec::new() };
                (Event::StreamRead { began, outcome }, entries)
            }
            Action::ResetStream => {
                self.stream = Stream { identity: self.stream.identity + 1, ..Stream::default() };
                (Event::StreamReset, Vec::new())
            }
            Action::Prove { .. } | Action::Resync(_) => unreachable!("{question:?}"),
        }
    }

    fn register(&mut self, r: usize, followed: i64) -> Renewal {
        let id = self.replicas[r].id;
        let before = self.registrations.len();
        self.registrations.retain(|(other, ..)| *other != id);
        let renewal = if self.registrations.len() < before { Renewal::Renewed } else { Renewal::New };
        self.registrations.push((id, followed, self.now));
        self.registrations.sort();
        renewal
    }

    /// Whether the writer has something left to do.
    pub fn writer_can_go_on(&self) -> bool {
        !self.replicas[0].paused
            && self.ends.last().is_some_and(|end| matches!(end, End::Committed(..) | End::Waiting(..)))
    }

    /// Whether replica 0 can end another session.
    pub fn can_end(&self) -> bool {
        let replica = &self.replicas[0];
        !self.writer_can_go_on() && !replica.paused && !replica.cut[slot(Lane::Durable)]
    }

    /// Commits, and publishes in its own process.
    pub fn end(&mut self) {
        self.newest += 1;
        self.replicas[0].live.insert(self.newest);
        let own = Some(self.replicas[0].id);
        self.ends
            .push(End::Committed(Acknowledgement::new(self.newest, own, self.now, PATIENCE), self.newest));
    }

    /// The writer's next step: the stream, then as often as need be the registrations. A `careless` one
    /// acknowledges whatever the stream says.
    pub fn go_on(&mut self, careless: bool) {
        let Some(end) = self.ends.pop() else { return };
        let next = match end {
            End::Committed(state, number) => {
                let reached = !self.replicas[0].cut[slot(Lane::Stream)];
                if reached && number > self.stream.last {
                    self.stream.last = number;
                    self.stream.entries.insert(number);
                }
                let published = if reached || careless { Published::Yes } else { Published::Unknown };
                self.judged(state.published(published), state, number, true)
            }
            End::Waiting(state, number) => {
                let rows: Vec<Registration> = self
                    .registrations
                    .iter()
                    .map(|(replica, followed, seen)| Registration {
                        replica: *replica,
                        followed: *followed,
                        age: self.now.since(*seen),
                        lease: LEASE,
                    })
                    .collect();
                let verdict = if self.replicas[0].cut[slot(Lane::Durable)] {
                    state.unread(self.now)
                } else {
                    state.registrations(self.now, &rows)
                };
                self.judged(verdict, state, number, false)
            }
            over @ (End::Acknowledged { .. } | End::Refused) => over,
        };
        self.ends.push(next);
    }

    fn judged(&self, verdict: Verdict, state: Acknowledgement, number: i64, by_stream: bool) -> End {
        match verdict {
            Verdict::Acknowledge => End::Acknowledged { number, at: self.now, by_stream },
            Verdict::Wait => End::Waiting(state, number),
            Verdict::Refuse => End::Refused,
        }
    }

    /// Ended sessions that were acknowledged, with the moment.
    pub fn acknowledged(&self) -> impl Iterator<Item = (i64, Monotonic)> {
        self.ends.iter().filter_map(|end| match end {
            End::Acknowledged { number, at, .. } => Some((*number, *at)),
            End::Committed(..) | End::Waiting(..) | End::Refused => None,
        })
    }
}

impl Replica {
    /// Whether its edge to the durable store is cut.
    pub fn has_lost_durable(&self) -> bool {
        self.cut[slot(Lane::Durable)]
    }
}

fn slot(lane: Lane) -> usize {
    match lane {
        Lane::Durable => 0,
        Lane::Stream => 1,
    }
}

fn at(number: i64) -> Position {
    Position { number, session: None }
}
