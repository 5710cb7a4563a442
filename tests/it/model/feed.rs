//! What must hold, whatever happens: a replica that may admit knows every end that was acknowledged longer ago
//! than `revocation.max_staleness`.
//!
//! Not in this world: a durable store that loses what it committed, and two servers that both take themselves for
//! the stream's. Neither is promised.

use std::collections::BTreeSet;
use std::time::Duration;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

use super::world::{End, Fault, Lane, World};

const MAX_STALENESS: Duration = Duration::from_millis(1000);

/// How far the checker looks.
#[derive(Debug, Clone)]
struct Bounds {
    /// Faults, each at any time.
    faults: usize,
    /// Steps of half a second.
    steps: usize,
    /// Ends, one after the other.
    ends: usize,
    /// Whether the writer leaves the last part of the protocol out.
    careless: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    world: World,
    /// Faults that last, in the order in which they came.
    faults: Vec<Fault>,
    faults_left: usize,
    steps_left: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Pass,
    Happen(Fault),
    Mend(Fault),
    End,
    GoOn,
}

fn all_faults() -> Vec<Fault> {
    let mut faults = vec![Fault::Flush, Fault::Failover];
    // Replicas 1 and 2 are alike until something happens to one of them; both are tried, for two faults.
    for replica in 0..3 {
        faults.push(Fault::Pause(replica));
        for lane in [Lane::Durable, Lane::Stream] {
            faults.extend([Fault::Cut(replica, lane), Fault::Delay(replica, lane)]);
        }
    }
    faults.push(Fault::Restart(1));
    faults
}

fn lasts(fault: Fault) -> bool {
    match fault {
        Fault::Cut(..) | Fault::Delay(..) | Fault::Pause(_) => true,
        Fault::Flush | Fault::Failover | Fault::Restart(_) => false,
    }
}

impl Model for Bounds {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let world = World::settled();
        vec![State { world, faults: Vec::new(), faults_left: self.faults, steps_left: self.steps }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        if state.world.ends.len() < self.ends && state.world.can_end() {
            actions.push(Step::End);
        }
        if state.world.writer_can_go_on() {
            actions.push(Step::GoOn);
        }
        if state.steps_left > 0 {
            actions.push(Step::Pass);
        }
        if state.faults_left > 0 {
            let new = all_faults().into_iter().filter(|fault| !state.faults.contains(fault));
            actions.extend(new.map(Step::Happen));
        }
        actions.extend(state.faults.iter().copied().map(Step::Mend));
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        match step {
            Step::Pass => {
                next.steps_left -= 1;
                next.world.pass();
            }
            Step::Happen(fault) => {
                next.faults_left -= 1;
                next.world.happen(fault);
                if lasts(fault) {
                    next.faults.push(fault);
                }
            }
            Step::Mend(fault) => {
                next.faults.retain(|lasting| *lasting != fault);
                next.world.mend(fault);
            }
            Step::End => next.world.end(),
            Step::GoOn => next.world.go_on(self.careless),
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISE, |_, state: &State| state.promise_is_kept()),
            Property::sometimes("a replica refuses because it is not fresh", |_, state: &State| {
                state.any(|fresh, _| !fresh)
            }),
            Property::sometimes(
                "a replica without the durable store is fresh by the stream",
                |_, state: &State| state.any(|fresh, lost| fresh && lost) && state.steps_left == 0,
            ),
            Property::sometimes("an end is acknowledged by the stream", |_, state: &State| {
                state.world.ends.iter().any(|end| matches!(end, End::Acknowledged { by_stream: true, .. }))
            }),
            Property::sometimes("an end is acknowledged without the stream", |_, state: &State| {
                state.world.ends.iter().any(|end| matches!(end, End::Acknowledged { by_stream: false, .. }))
            }),
            Property::sometimes("an end is refused", |_, state: &State| {
                state.world.ends.iter().any(|end| matches!(end, End::Refused))
            }),
        ]
    }
}

const PROMISE: &str = "no replica admits an end that was acknowledged longer ago than the bound";

impl State {
    fn promise_is_kept(&self) -> bool {
        let World { now, replicas, .. } = &self.world;
        self.world.acknowledged().all(|(number, at)| {
            let late = now.since(at) > MAX_STALENESS;
            // The replica that acknowledged has known it all along.
            let kept = |replica: &super::world::Replica| {
                replica.live.contains(&number) || !late || !replica.follower.is_fresh(*now, MAX_STALENESS)
            };
            replicas.iter().all(kept)
        })
    }

    /// Whether a replica is so, by "fresh" and "has lost the durable store".
    fn any(&self, so: impl Fn(bool, bool) -> bool) -> bool {
        self.world.replicas.iter().any(|replica| {
            so(replica.follower.is_fresh(self.world.now, MAX_STALENESS), replica.has_lost_durable())
        })
    }
}

fn check(bounds: Bounds) -> impl stateright::Checker<Bounds> {
    // A broken promise ends the search; else everything within the bounds is looked at.
    let end = HasDiscoveries::AnyOf(BTreeSet::from([PROMISE]));
    let checker = bounds.clone().checker().threads(2).finish_when(end).spawn_dfs().join();
    println!(
        "{bounds:?}: {} states, {} of them different",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker
}

/// A bound from the environment, for `make model`, which looks further than a test has time to.
fn bound(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn no_replica_admits_what_was_ended_longer_ago_than_the_bound() {
    let (faults, steps) = (bound("GATEWARD_MODEL_FAULTS", 2), bound("GATEWARD_MODEL_STEPS", 6));
    check(Bounds { faults, steps, ends: 1, careless: false }).assert_properties();
}

#[test]
fn two_ends_and_a_fault_keep_the_bound_too() {
    let checker = check(Bounds { faults: 1, steps: 6, ends: 2, careless: false });
    assert!(checker.discovery(PROMISE).is_none(), "{:?}", checker.discovery(PROMISE));
}

/// The model can fail: without the wait for registered replicas there is a way.
#[test]
fn a_writer_that_does_not_wait_for_the_other_replicas_breaks_the_promise() {
    let checker = check(Bounds { faults: 2, steps: 5, ends: 1, careless: true });
    let path = checker.discovery(PROMISE).expect("a counterexample").into_actions();
    assert!(path.contains(&Step::Happen(Fault::Cut(0, Lane::Stream))), "{path:?}");
}
