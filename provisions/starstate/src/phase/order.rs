//! The order of steps: each after all that it needs, otherwise by phase, otherwise as given. Pure.

use super::Phase;

/// A place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The step, by its number in the input.
    pub step: usize,
    /// It runs before the turn of its phase, because this step needs it.
    pub early_for: Option<usize>,
}

/// Steps that need each other in a circle, each the next one and the last the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

/// What is known of a step for its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// Its phase.
    pub phase: Phase,
    /// The steps that must have run before, by their numbers.
    pub needs: Vec<usize>,
    /// It may cut the way to the router: it and what needs it run after all others.
    pub last: bool,
}

/// Puts steps in order: each after all that it needs, otherwise by phase, otherwise as given.
///
/// # Errors
/// When steps need each other in a circle.
pub fn order(steps: &[Placing]) -> Result<Vec<Place>, Cycle> {
    let mut turns: Vec<usize> = (0..steps.len()).collect();
    let last = find_last(steps);
    turns.sort_by_key(|step| (last[*step], steps[*step].phase, *step));
    let mut turn_of = vec![0; steps.len()];
    for (turn, step) in turns.iter().enumerate() {
        turn_of[*step] = turn;
    }
    let mut walk = Walk { steps, turn_of, states: vec![State::Waiting; steps.len()], places: Vec::new() };
    for step in turns {
        walk.place(step)?;
    }
    Ok(walk.places)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// What it needs is being placed.
    Open,
    Placed,
}

struct Walk<'a> {
    steps: &'a [Placing],
    turn_of: Vec<usize>,
    states: Vec<State>,
    places: Vec<Place>,
}

impl Walk<'_> {
    /// Places a step after all that it needs. Without recursion: chains may be as long as a configuration.
    fn place(&mut self, root: usize) -> Result<(), Cycle> {
        let mut path = vec![];
        self.open(root, &mut path)?;
        while let Some((step, needs)) = path.last_mut() {
            let step = *step;
            if let Some(need) = needs.pop() {
                self.open(need, &mut path)?;
                continue;
            }
            path.pop();
            self.states[step] = State::Placed;
            let is_early = self.steps[step].phase > self.steps[root].phase;
            let early_for = path.last().filter(|_| is_early).map(|(parent, _)| *parent);
            self.places.push(Place { step, early_for });
        }
        Ok(())
    }

    fn open(&mut self, step: usize, path: &mut Vec<(usize, Vec<usize>)>) -> Result<(), Cycle> {
        match self.states[step] {
            State::Placed => return Ok(()),
            State::Open => {
                let start = path.iter().position(|(open, _)| *open == step).unwrap_or(0);
                return Err(Cycle(path[start..].iter().map(|(open, _)| *open).collect()));
            }
            State::Waiting => {}
        }
        self.states[step] = State::Open;
        let mut needs = self.steps[step].needs.clone();
        // The last is taken first.
        needs.sort_by_key(|need| std::cmp::Reverse(self.turn_of[*need]));
        needs.dedup();
        path.push((step, needs));
        Ok(())
    }
}

/// Which steps run after all others: those that are to, and whatever needs one of these.
fn find_last(steps: &[Placing]) -> Vec<bool> {
    let mut needed_by = vec![Vec::new(); steps.len()];
    for (step, placing) in steps.iter().enumerate() {
        for need in &placing.needs {
            needed_by[*need].push(step);
        }
    }
    let mut last = vec![false; steps.len()];
    let mut open: Vec<usize> = (0..steps.len()).filter(|step| steps[*step].last).collect();
    while let Some(step) = open.pop() {
        if !std::mem::replace(&mut last[step], true) {
            open.extend(&needed_by[step]);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::PHASES;
    use super::*;

    fn step(phase: usize, needs: &[usize]) -> Placing {
        Placing { phase: PHASES[phase - 1].phase, needs: needs.to_vec(), last: false }
    }

    #[test]
    fn what_is_needed_comes_earlier_and_says_for_whom() {
        // A PPPoE client names a profile, which names a pool; a certificate stays where it is.
        let steps = [step(1, &[1]), step(4, &[2]), step(3, &[]), step(8, &[]), step(1, &[])];
        let places = order(&steps).unwrap();
        let expected = [(2, Some(1)), (1, Some(0)), (0, None), (4, None), (3, None)];
        assert_eq!(places.iter().map(|place| (place.step, place.early_for)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_may_cut_the_way_comes_last_and_what_needs_it_too() {
        let mut steps = [step(1, &[]), step(8, &[0]), step(2, &[]), step(8, &[])];
        steps[0].last = true;
        let places: Vec<usize> = order(&steps).unwrap().iter().map(|place| place.step).collect();
        assert_eq!(places, [2, 3, 0, 1]);
    }

    #[test]
    fn a_circle_is_named() {
        let steps = [step(1, &[]), step(4, &[3]), step(2, &[1]), step(3, &[0, 2])];
        let Cycle(mut members) = order(&steps).unwrap_err();
        members.sort_unstable();
        assert_eq!(members, [1, 2, 3]);
        assert_eq!(order(&[step(1, &[0])]), Err(Cycle(vec![0])));
    }

    /// Steps that need only others before them in a random order, so that there are no circles.
    fn steps() -> impl Strategy<Value = Vec<Placing>> {
        let parts = vec((1_usize..=8, any::<[bool; 3]>(), any::<u32>(), prop::bool::weighted(0.1)), 0..30);
        (parts, any::<u64>()).prop_map(|(parts, seed)| {
            let count = parts.len();
            let rank = |step: usize| (step as u64).wrapping_mul(seed | 1).rotate_left(17) ^ seed;
            let mut ranked: Vec<usize> = (0..count).collect();
            ranked.sort_by_key(|step| (rank(*step), *step));
            let mut steps: Vec<Placing> =
                parts.iter().map(|(phase, _, _, last)| Placing { last: *last, ..step(*phase, &[]) }).collect();
            for (place, step) in ranked.iter().enumerate().skip(1) {
                let (_, picks, numbers, _) = &parts[*step];
                for (turn, _) in picks.iter().enumerate().filter(|(_, pick)| **pick) {
                    steps[*step].needs.push(ranked[(numbers >> (turn * 8)) as usize % 256 % place]);
                }
            }
            steps
        })
    }

    /// Whether a step is needed by another, directly or not.
    fn needs(steps: &[Placing], who: usize, what: usize) -> bool {
        steps[who].needs.iter().any(|need| *need == what || needs(steps, *need, what))
    }

    proptest! {
        #[test]
        fn no_step_runs_before_what_it_needs(steps in steps()) {
            let places = order(&steps).unwrap();
            let mut turns = vec![usize::MAX; steps.len()];
            for (turn, place) in places.iter().enumerate() {
                prop_assert_eq!(turns[place.step], usize::MAX, "each step once");
                turns[place.step] = turn;
            }
            for (step, placing) in steps.iter().enumerate() {
                for need in &placing.needs {
                    prop_assert!(turns[*need] < turns[step], "{} needs {}", step, need);
                }
            }
        }

        #[test]
        fn otherwise_phases_are_the_order(steps in steps()) {
            let places = order(&steps).unwrap();
            let last = find_last(&steps);
            for (turn, place) in places.iter().enumerate() {
                let phase = steps[place.step].phase;
                for later in places[turn + 1..].iter().map(|place| place.step) {
                    let is_behind = (last[later], steps[later].phase) < (last[place.step], phase);
                    // It was pulled forward for something whose turn was no later than that of what it passed.
                    let is_pulled = (0..steps.len()).any(|who| {
                        needs(&steps, who, place.step) && (last[who], steps[who].phase, who) <= (last[later], steps[later].phase, later)
                    });
                    prop_assert!(!is_behind || is_pulled, "{} before {}", place.step, later);
                    prop_assert!(!is_behind || last[later] != last[place.step] || place.early_for.is_some());
                }
                if let Some(who) = place.early_for {
                    prop_assert!(steps[who].needs.contains(&place.step));
                }
            }
        }

        #[test]
        fn without_needs_the_input_decides_within_a_phase(numbers in vec(1_usize..=8, 0..30)) {
            let steps: Vec<Placing> = numbers.iter().map(|number| step(*number, &[])).collect();
            let places: Vec<usize> = order(&steps).unwrap().iter().map(|place| place.step).collect();
            let mut expected: Vec<usize> = (0..steps.len()).collect();
            expected.sort_by_key(|step| steps[*step].phase);
            prop_assert_eq!(places, expected);
        }

        #[test]
        fn any_needs_end_in_an_order_or_a_circle(edges in vec((0_usize..12, 0_usize..12), 0..40)) {
            let mut steps: Vec<Placing> = (0..12).map(|number| step(number % 8 + 1, &[])).collect();
            for (who, what) in edges {
                steps[who].needs.push(what);
            }
            if let Err(Cycle(members)) = order(&steps) {
                for (place, member) in members.iter().enumerate() {
                    let next = members[(place + 1) % members.len()];
                    prop_assert!(steps[*member].needs.contains(&next), "{:?}", members);
                }
            }
        }
    }
}
