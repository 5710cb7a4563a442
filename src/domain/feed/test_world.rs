//! A small world for followers and writers: three replicas, a durable store, a stream, and what happens to them.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::id::ReplicaId;

pub(super) const LEASE: Duration = Duration::from_millis(2000);
pub(super) const PATIENCE: Duration = Duration::from_millis(800);
pub(super) const PAGE: usize = 3;

/// Which of a replica's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Durable,
    Stream,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Advance(u64),
    Tick(usize),
    /// The question reaches its store, which answers (or the connection is down).
    Execute(usize, Lane),
    /// The answer arrives.
    Deliver(usize, Lane),
    Cut(usize, Lane),
    Mend(usize, Lane),
    Flush,
    /// The stream forgets all but its last entry.
    Trim,
    Restart(usize),
    /// A replica ends a session.
    End(usize),
    /// The oldest end that waits to be published, or the one after it, goes to the stream.
    Publish(usize),
    /// Somebody's end reads the registrations.
    Confirm(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let replica = 0..3_usize;
    let lane = prop_oneof![Just(Lane::Durable), Just(Lane::Stream)];
    prop_oneof![
        4 => (1..400_u64).prop_map(Step::Advance),
        4 => replica.clone().prop_map(Step::Tick),
        10 => (replica.clone(), lane.clone()).prop_map(|(r, lane)| Step::Execute(r, lane)),
        10 => (replica.clone(), lane.clone()).prop_map(|(r, lane)| Step::Deliver(r, lane)),
        1 => (replica.clone(), lane.clone()).prop_map(|(r, lane)| Step::Cut(r, lane)),
        2 => (replica.clone(), lane).prop_map(|(r, lane)| Step::Mend(r, lane)),
        1 => Just(Step::Flush),
        1 => Just(Step::Trim),
        1 => replica.clone().prop_map(Step::Restart),
        4 => replica.prop_map(Step::End),
        4 => (0..4_usize).prop_map(Step::Publish),
        4 => (0..4_usize).prop_map(Step::Confirm),
    ]
}

/// A question under way: what was asked and when, and the answer once there is one.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) action: Action,
    pub(super) began: Monotonic,
    pub(super) answer: Option<(Event, Vec<i64>)>,
}

#[derive(Debug)]
pub(super) struct Replica {
    pub(super) id: ReplicaId,
    pub(super) follower: Follower,
    pub(super) live: BTreeSet<i64>,
    pub(super) questions: [Option<Question>; 2],
    pub(super) connected: [bool; 2],
    /// The stream that it identified.
    pub(super) identity: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) identity: u64,
    pub(super) entries: BTreeSet<i64>,
    pub(super) last: i64,
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) number: i64,
    pub(super) writer: usize,
    pub(super) state: Acknowledgement,
    pub(super) published: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Monotonic,
    pub(super) newest: i64,
    pub(super) stream: Stream,
    pub(super) registrations: Vec<(ReplicaId, i64, Monotonic)>,
    pub(super) replicas: Vec<Replica>,
    pub(super) ends: Vec<End>,
    pub(super) acknowledged: Vec<(i64, Monotonic)>,
    pub(super) births: u8,
    pub(super) proofs: [usize; 2],
}

pub(super) fn slot(lane: Lane) -> usize {
    match lane {
        Lane::Durable => 0,
        Lane::Stream => 1,
    }
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            now: Monotonic::from_millis(0),
            newest: 0,
            stream: Stream::default(),
            registrations: Vec::new(),
            replicas: Vec::new(),
            ends: Vec::new(),
            acknowledged: Vec::new(),
            births: 0,
            proofs: [0; 2],
        };
        for _ in 0..3 {
            let replica = world.new_replica();
            world.replicas.push(replica);
        }
        world
    }

    pub(super) fn new_replica(&mut self) -> Replica {
        self.births += 1;
        Replica {
            id: ReplicaId::new(Timestamp::from_unix_millis(0), [self.births; 10]),
            follower: Follower::new(FollowerRules { has_stream: true, lease: LEASE }),
            live: BTreeSet::new(),
            questions: [None, None],
            connected: [true, true],
            identity: None,
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Advance(millis) => self.now = self.now.plus(Duration::from_millis(millis)),
            Step::Tick(r) => self.tell(r, Event::Tick),
            Step::Execute(r, lane) => self.execute(r, lane),
            Step::Deliver(r, lane) => self.deliver(r, lane),
            Step::Cut(r, lane) => self.replicas[r].connected[slot(lane)] = false,
            Step::Mend(r, lane) => self.replicas[r].connected[slot(lane)] = true,
            Step::Flush => self.new_stream(),
            Step::Trim => {
                let last = self.stream.entries.last().copied();
                self.stream.entries.retain(|number| Some(*number) == last);
            }
            Step::Restart(r) => self.replicas[r] = self.new_replica(),
            Step::End(r) => self.end(r),
            Step::Publish(which) => self.publish(which),
            Step::Confirm(which) => self.confirm(which),
        }
    }

    pub(super) fn tell(&mut self, r: usize, event: Event) {
        let now = self.now;
        for action in self.replicas[r].follower.handle(now, event) {
            let lane = match action {
                Action::ReadDurable { .. } | Action::Register { .. } | Action::Sweep { .. } => Lane::Durable,
                Action::OpenStream | Action::ReadStream { .. } | Action::ResetStream => Lane::Stream,
                Action::Prove { source: Source::Durable, .. } => {
                    self.proofs[0] += 1;
                    continue;
                }
                Action::Prove { source: Source::Stream, .. } => {
                    self.proofs[1] += 1;
                    continue;
                }
                Action::Resync(cause) => {
                    // No commit is ever lost in this world.
                    assert_ne!(cause, ResyncCause::StoreWentBack);
                    assert_ne!(cause, ResyncCause::StreamForeign);
                    continue;
                }
            };
            let question = &mut self.replicas[r].questions[slot(lane)];
            assert!(question.is_none(), "one question at a time: {question:?}, {action:?}");
            *question = Some(Question { action, began: now, answer: None });
        }
    }

    pub(super) fn execute(&mut self, r: usize, lane: Lane) {
        let Some(question) = self.replicas[r].questions[slot(lane)].clone() else { return };
        if question.answer.is_some() {
            return;
        }
        let connected = self.replicas[r].connected[slot(lane)];
        let answer = self.answer(r, &question, connected);
        if let Some(question) = &mut self.replicas[r].questions[slot(lane)] {
            question.answer = Some(answer);
        }
    }

    pub(super) fn answer(&mut self, r: usize, question: &Question, connected: bool) -> (Event, Vec<i64>) {
        let began = question.began;
        match question.action {
            Action::ReadDurable { after } => {
                let page: Vec<i64> = (after.number + 1..=self.newest).take(PAGE).collect();
                let outcome = connected.then_some(DurablePage {
                    last: page.last().map(|number| at(*number)),
                    more: page.len() == PAGE,
                    restarted: false,
                    newest: self.newest,
                });
                (Event::DurableRead { began, outcome: outcome.ok_or(Failure::Lost) }, page)
            }
            Action::Register { followed } => {
                let id = self.replicas[r].id;
                let there = self.registrations.iter().any(|(other, ..)| *other == id);
                if connected {
                    self.registrations.retain(|(other, ..)| *other != id);
                    self.registrations.push((id, followed.number, self.now));
                }
                let renewal = if there { Renewal::Renewed } else { Renewal::New };
                (
                    Event::Registered { began, outcome: connected.then_some(renewal).ok_or(Failure::Lost) },
                    vec![],
                )
            }
            Action::Sweep { after } => {
                let page: Vec<i64> = (after + 1..=self.newest).take(PAGE).collect();
                let next = (page.len() == PAGE).then(|| after + 3);
                (Event::Swept { outcome: connected.then_some(next).ok_or(Failure::Lost) }, page)
            }
            Action::OpenStream => {
                self.replicas[r].identity = connected.then_some(self.stream.identity);
                let outcome = connected.then_some(self.stream.last).ok_or(Failure::Lost);
                (Event::StreamOpened { outcome }, vec![])
            }
            Action::ReadStream { after } => {
                let entries: Vec<i64> = self.stream.entries.range(after + 1..).copied().collect();
                let answer = StreamAnswer { entries: entries.iter().map(|n| at(*n)).collect(), more: false };
                let outcome = match (connected, self.replicas[r].identity == Some(self.stream.identity)) {
                    (true, true) => Ok(answer),
                    (true, false) => Err(Failure::Replaced),
                    (false, _) => Err(Failure::Lost),
                };
                (Event::StreamRead { began, outcome }, entries)
            }
            Action::ResetStream | Action::Prove { .. } | Action::Resync(_) => unreachable!("{question:?}"),
        }
    }

    pub(super) fn deliver(&mut self, r: usize, lane: Lane) {
        let question = &mut self.replicas[r].questions[slot(lane)];
        if question.as_ref().is_none_or(|question| question.answer.is_none()) {
            return;
        }
        let Some((event, entries)) = question.take().and_then(|question| question.answer) else { return };
        let answered = match &event {
            Event::DurableRead { outcome, .. } => outcome.is_ok(),
            Event::StreamRead { outcome, .. } => outcome.is_ok(),
            Event::Swept { outcome } => outcome.is_ok(),
            _ => false,
        };
        if answered {
            self.replicas[r].live.extend(entries);
        }
        self.tell(r, event);
    }

    pub(super) fn new_stream(&mut self) {
        self.stream = Stream { identity: self.stream.identity + 1, ..Stream::default() };
    }

    pub(super) fn end(&mut self, r: usize) {
        if !self.replicas[r].connected[0] {
            return;
        }
        self.newest += 1;
        self.replicas[r].live.insert(self.newest);
        let own = Some(self.replicas[r].id);
        let state = Acknowledgement::new(self.newest, own, self.now, PATIENCE);
        self.ends.push(End { number: self.newest, writer: r, state, published: false });
    }

    pub(super) fn publish(&mut self, which: usize) {
        let Some(end) = self.ends.get_mut(which).filter(|end| !end.published) else { return };
        end.published = true;
        let reached = self.replicas[end.writer].connected[1];
        if reached && end.number > self.stream.last {
            self.stream.last = end.number;
            self.stream.entries.insert(end.number);
        }
        let published = if reached { Published::Yes } else { Published::Unknown };
        let verdict = end.state.published(published);
        self.judge(which, verdict);
    }

    pub(super) fn confirm(&mut self, which: usize) {
        let Some(end) = self.ends.get(which).filter(|end| end.published) else { return };
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
        let verdict = if self.replicas[end.writer].connected[0] {
            end.state.registrations(self.now, &rows)
        } else {
            end.state.unread(self.now)
        };
        self.judge(which, verdict);
    }

    pub(super) fn judge(&mut self, which: usize, verdict: Verdict) {
        match verdict {
            Verdict::Acknowledge => {
                let end = self.ends.remove(which);
                self.acknowledged.push((end.number, self.now));
            }
            Verdict::Refuse => drop(self.ends.remove(which)),
            Verdict::Wait => {}
        }
    }

    /// A proof of completeness as of a moment after an acknowledgement is one of that end, too.
    pub(super) fn check(&self) {
        for replica in &self.replicas {
            let Some(proven) = replica.follower.proven() else { continue };
            for (number, at) in &self.acknowledged {
                assert!(proven <= *at || replica.live.contains(number), "{number} at {at:?}: {replica:#?}");
            }
            for number in 1..=replica.follower.position().number {
                assert!(replica.live.contains(&number), "{number} is below the position: {replica:#?}");
            }
        }
    }
}

pub(super) fn at(number: i64) -> Position {
    Position { number, session: None }
}
