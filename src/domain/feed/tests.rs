//! Followers and writers in a small world, in every order that proptest thinks of: what was acknowledged is
//! known to whoever can prove that it knows everything up to then.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::id::ReplicaId;

const LEASE: Duration = Duration::from_millis(2000);
const PATIENCE: Duration = Duration::from_millis(800);
const PAGE: usize = 3;

/// Which of a replica's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Durable,
    Stream,
}

#[derive(Debug, Clone)]
enum Step {
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

fn step() -> impl Strategy<Value = Step> {
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
struct Question {
    action: Action,
    began: Monotonic,
    answer: Option<(Event, Vec<i64>)>,
}

#[derive(Debug)]
struct Replica {
    id: ReplicaId,
    follower: Follower,
    live: BTreeSet<i64>,
    questions: [Option<Question>; 2],
    connected: [bool; 2],
    /// The stream that it identified.
    identity: Option<u64>,
}

#[derive(Debug, Default)]
struct Stream {
    identity: u64,
    entries: BTreeSet<i64>,
    last: i64,
}

#[derive(Debug)]
struct End {
    number: i64,
    writer: usize,
    state: Acknowledgement,
    published: bool,
}

#[derive(Debug)]
struct World {
    now: Monotonic,
    newest: i64,
    stream: Stream,
    registrations: Vec<(ReplicaId, i64, Monotonic)>,
    replicas: Vec<Replica>,
    ends: Vec<End>,
    acknowledged: Vec<(i64, Monotonic)>,
    births: u8,
    proofs: [usize; 2],
}

fn slot(lane: Lane) -> usize {
    match lane {
        Lane::Durable => 0,
        Lane::Stream => 1,
    }
}

impl World {
    fn new() -> Self {
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

    fn new_replica(&mut self) -> Replica {
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

    fn take(&mut self, step: &Step) {
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

    fn tell(&mut self, r: usize, event: Event) {
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

    fn execute(&mut self, r: usize, lane: Lane) {
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

    fn answer(&mut self, r: usize, question: &Question, connected: bool) -> (Event, Vec<i64>) {
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

    fn deliver(&mut self, r: usize, lane: Lane) {
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

    fn new_stream(&mut self) {
        self.stream = Stream { identity: self.stream.identity + 1, ..Stream::default() };
    }

    fn end(&mut self, r: usize) {
        if !self.replicas[r].connected[0] {
            return;
        }
        self.newest += 1;
        self.replicas[r].live.insert(self.newest);
        let own = Some(self.replicas[r].id);
        let state = Acknowledgement::new(self.newest, own, self.now, PATIENCE);
        self.ends.push(End { number: self.newest, writer: r, state, published: false });
    }

    fn publish(&mut self, which: usize) {
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

    fn confirm(&mut self, which: usize) {
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

    fn judge(&mut self, which: usize, verdict: Verdict) {
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
    fn check(&self) {
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

fn at(number: i64) -> Position {
    Position { number, session: None }
}

fn run(steps: &[Step]) -> World {
    let mut world = World::new();
    for step in steps {
        world.take(step);
        world.check();
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whoever_can_prove_to_know_everything_knows_what_was_acknowledged(
        steps in proptest::collection::vec(step(), 0..400)
    ) {
        run(&steps);
    }

    #[test]
    fn the_same_events_lead_to_the_same_state(steps in proptest::collection::vec(step(), 0..200)) {
        let (one, other) = (run(&steps), run(&steps));
        for (one, other) in one.replicas.iter().zip(&other.replicas) {
            prop_assert_eq!(&one.follower, &other.follower);
        }
    }
}

/// Every question is answered at once, then time passes.
fn settle(world: &mut World, rounds: usize) {
    for _ in 0..rounds {
        for r in 0..3 {
            world.tell(r, Event::Tick);
            for _ in 0..6 {
                for lane in [Lane::Durable, Lane::Stream] {
                    world.take(&Step::Execute(r, lane));
                    world.take(&Step::Deliver(r, lane));
                }
            }
        }
        world.take(&Step::Advance(250));
        world.check();
    }
}

#[test]
fn both_sources_prove_in_turn_and_an_end_is_acknowledged_and_known_everywhere() {
    let mut world = World::new();
    settle(&mut world, 4);
    assert!(world.proofs[0] > 3 && world.proofs[1] > 3, "{:?}", world.proofs);
    world.take(&Step::End(0));
    world.take(&Step::Publish(0));
    assert_eq!(world.acknowledged.len(), 1);
    for r in 1..3 {
        world.take(&Step::Deliver(r, Lane::Stream));
        world.take(&Step::Execute(r, Lane::Stream));
        world.take(&Step::Deliver(r, Lane::Stream));
        assert!(world.replicas[r].live.contains(&1), "by the stream alone");
    }
}

#[test]
fn a_replica_without_the_durable_store_is_fresh_by_the_stream_until_its_lease_ends() {
    let mut world = World::new();
    settle(&mut world, 4);
    world.take(&Step::Cut(1, Lane::Durable));
    let second = Duration::from_secs(1);
    for _ in 0..7 {
        settle(&mut world, 1);
        assert!(world.replicas[1].follower.is_fresh(world.now, second));
    }
    settle(&mut world, 8);
    assert!(!world.replicas[1].follower.is_fresh(world.now, second), "its lease is over");
    assert!(world.replicas[0].follower.is_fresh(world.now, second));
    world.take(&Step::Mend(1, Lane::Durable));
    settle(&mut world, 2);
    assert!(world.replicas[1].follower.is_fresh(world.now, second));
    assert!(world.replicas[1].follower.trusts_stream(world.now));
}

#[test]
fn without_the_stream_a_replica_is_fresh_by_the_durable_store_and_an_end_waits_for_it() {
    let mut world = World::new();
    settle(&mut world, 4);
    (0..3).for_each(|r| world.take(&Step::Cut(r, Lane::Stream)));
    world.take(&Step::End(0));
    world.take(&Step::Publish(0));
    world.take(&Step::Confirm(0));
    assert!(world.acknowledged.is_empty(), "the others have not confirmed");
    settle(&mut world, 2);
    world.take(&Step::Confirm(0));
    assert_eq!(world.acknowledged.len(), 1);
    assert!(world.replicas.iter().all(|replica| replica.live.contains(&1)));
}

#[test]
fn an_end_that_no_stream_took_is_refused_while_a_replica_follows_the_stream_alone() {
    let mut world = World::new();
    settle(&mut world, 4);
    world.take(&Step::Cut(1, Lane::Durable));
    world.take(&Step::Cut(0, Lane::Stream));
    world.take(&Step::End(0));
    world.take(&Step::Publish(0));
    settle(&mut world, 4);
    assert!(!world.replicas[1].live.contains(&1) && world.replicas[1].follower.trusts_stream(world.now));
    world.take(&Step::Confirm(0));
    assert!(world.acknowledged.is_empty() && world.ends.is_empty(), "refused");
}

#[test]
fn a_gap_is_no_proof_and_asks_the_durable_store_at_once() {
    let mut world = World::new();
    settle(&mut world, 4);
    world.take(&Step::End(0));
    world.take(&Step::End(0));
    // Number 2 overtakes number 1, which the stream then refuses.
    world.take(&Step::Publish(1));
    world.take(&Step::Publish(0));
    assert_eq!(world.acknowledged.len(), 2);
    let (before, asked) = (world.replicas[1].follower.proven(), world.now);
    for _ in 0..2 {
        world.take(&Step::Execute(1, Lane::Stream));
        world.take(&Step::Deliver(1, Lane::Stream));
    }
    assert_eq!(world.replicas[1].follower.position(), Position::START);
    assert_eq!(world.replicas[1].live, BTreeSet::from([2]), "what is there counts");
    assert!(before < Some(asked) && world.replicas[1].follower.proven() < Some(asked));
    let question = world.replicas[1].questions[0].as_ref();
    assert!(question.is_some_and(|question| matches!(question.action, Action::ReadDurable { .. })));
}

/// The question of a lane is asked, answered and told.
fn whole(world: &mut World, r: usize, lane: Lane) {
    world.take(&Step::Execute(r, lane));
    world.take(&Step::Deliver(r, lane));
    world.check();
}

#[test]
fn a_read_that_began_before_the_stream_was_identified_does_not_vouch_for_it() {
    let mut world = World::new();
    settle(&mut world, 4);
    world.take(&Step::Flush);
    whole(&mut world, 1, Lane::Stream);
    world.tell(1, Event::Tick);
    world.take(&Step::Execute(1, Lane::Durable));
    // Committed and published after that read, and lost with the stream.
    world.take(&Step::End(0));
    world.take(&Step::Publish(0));
    world.take(&Step::Flush);
    world.take(&Step::Advance(1));
    whole(&mut world, 1, Lane::Stream);
    world.take(&Step::Deliver(1, Lane::Durable));
    world.take(&Step::Advance(1));
    assert!(!world.replicas[1].follower.trusts_stream(world.now));
    whole(&mut world, 1, Lane::Stream);
    settle(&mut world, 1);
    assert!(world.replicas[1].follower.trusts_stream(world.now) && world.replicas[1].live.contains(&1));
}

#[test]
fn a_registration_that_was_void_counts_only_with_a_read_that_began_after_it() {
    let mut world = World::new();
    settle(&mut world, 4);
    world.take(&Step::Cut(1, Lane::Durable));
    let void = LEASE + Acknowledgement::MARGIN;
    settle(&mut world, usize::try_from(void.as_millis() / 250).unwrap() + 2);
    world.take(&Step::Mend(1, Lane::Durable));
    world.tell(1, Event::Tick);
    world.take(&Step::Execute(1, Lane::Durable));
    // Acknowledged without the replica, whose registration is void, and without the stream.
    world.take(&Step::Cut(0, Lane::Stream));
    world.take(&Step::End(0));
    world.take(&Step::Publish(0));
    settle_one(&mut world, 2);
    world.take(&Step::Confirm(0));
    assert_eq!(world.acknowledged.len(), 1);
    world.take(&Step::Deliver(1, Lane::Durable));
    world.take(&Step::Advance(1));
    whole(&mut world, 1, Lane::Durable);
    world.take(&Step::Advance(1));
    whole(&mut world, 1, Lane::Stream);
    whole(&mut world, 1, Lane::Stream);
    assert!(!world.replicas[1].follower.trusts_stream(world.now));
    whole(&mut world, 1, Lane::Durable);
    assert!(world.replicas[1].follower.trusts_stream(world.now) && world.replicas[1].live.contains(&1));
}

/// A replica asks and is answered until it has confirmed.
fn settle_one(world: &mut World, r: usize) {
    world.tell(r, Event::Tick);
    for _ in 0..4 {
        whole(world, r, Lane::Durable);
    }
}

#[test]
fn a_stream_that_holds_what_the_store_never_gave_out_is_thrown_away() {
    let rules = FollowerRules { has_stream: true, lease: LEASE };
    let mut follower = Follower::new(rules);
    let (begin, later) = (Monotonic::from_millis(0), Monotonic::from_millis(10));
    let page = |newest| DurablePage { last: None, more: false, restarted: false, newest };
    follower.handle(begin, Event::Tick);
    follower.handle(begin, Event::Registered { began: begin, outcome: Ok(Renewal::New) });
    follower.handle(begin, Event::StreamOpened { outcome: Ok(10) });
    // The read that is under way was asked before the stream was seen: it may be older.
    let actions = follower.handle(later, Event::DurableRead { began: begin, outcome: Ok(page(9)) });
    assert!(!actions.contains(&Action::ResetStream), "{actions:?}");
    let actions = follower.handle(later, Event::DurableRead { began: later, outcome: Ok(page(9)) });
    assert!(actions.contains(&Action::ResetStream), "{actions:?}");
    assert!(!follower.trusts_stream(later));
    follower.handle(later, Event::StreamReset);
    let actions = follower.handle(later, Event::Tick);
    assert!(actions.contains(&Action::OpenStream), "{actions:?}");
}

#[test]
fn a_store_that_went_back_is_read_from_the_beginning_and_the_stream_identified_anew() {
    let mut world = World::new();
    for _ in 0..3 {
        world.take(&Step::End(0));
        world.take(&Step::Publish(0));
    }
    settle(&mut world, 4);
    let follower = &mut world.replicas[1].follower;
    assert_eq!(follower.position(), at(3));
    let began = world.now.plus(Duration::from_millis(1));
    follower.handle(began, Event::Tick);
    let page = DurablePage { last: Some(at(2)), more: false, restarted: true, newest: 2 };
    let actions = follower.handle(began, Event::DurableRead { began, outcome: Ok(page) });
    assert!(actions.contains(&Action::Resync(ResyncCause::StoreWentBack)), "{actions:?}");
    assert_eq!(follower.position(), at(2));
    assert!(!follower.trusts_stream(began));
    // What the stream says now is no proof, and moves nothing.
    let answer = StreamAnswer { entries: vec![at(3)], more: false };
    let actions = follower.handle(began, Event::StreamRead { began, outcome: Ok(answer) });
    assert_eq!(follower.position(), at(2));
    assert!(!actions.iter().any(|action| matches!(action, Action::Prove { .. })), "{actions:?}");
}

#[test]
fn the_embedded_kind_has_no_stream_and_registers_nowhere() {
    let mut follower = Follower::new(FollowerRules { has_stream: false, lease: LEASE });
    let now = Monotonic::from_millis(1);
    assert_eq!(follower.handle(now, Event::Tick), [Action::ReadDurable { after: Position::START }]);
    let page = DurablePage { last: None, more: false, restarted: false, newest: 0 };
    let actions = follower.handle(now, Event::DurableRead { began: now, outcome: Ok(page) });
    assert_eq!(actions, [Action::Prove { as_of: now, source: Source::Durable }]);
    let actions = follower.handle(now.plus(Duration::from_secs(1)), Event::Tick);
    assert_eq!(actions, [Action::ReadDurable { after: Position::START }]);
}
