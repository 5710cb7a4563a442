//! Followers and writers in a small world, in every order that proptest thinks of: what was acknowledged is
//! known to whoever can prove that it knows everything up to then.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::test_world::*;
use super::*;

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
