//! What callgrind wrote: instructions, in all and by function.
//!
//! The format is documented at <https://valgrind.org/docs/manual/cl-format.html>. Read here are the lines that count: `fn=`,
//! `calls=` and the line behind it, cost lines, `totals:`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Instructions, of one operation or of many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Of all threads that count.
    pub total: f64,
    /// By callgrind's number of the thread, which begins at 1.
    pub threads: BTreeMap<u32, f64>,
    /// By name.
    pub functions: BTreeMap<String, Cost>,
    /// By names of caller and called.
    pub calls: BTreeMap<(String, String), Calls>,
}

/// Calls of one function by another.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Calls {
    /// How many.
    pub number: f64,
    /// What they cost, with everything called in turn.
    pub inclusive: f64,
}

/// Instructions of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Its own, with what the compiler put into it.
    pub own: f64,
    /// With those of everything it called. Counted again at each level of a recursion.
    pub inclusive: f64,
}

impl Profile {
    /// Reads a dump of all threads together, or of one each: `base` itself, or `base` and more behind it. Threads that do not
    /// count are only in `threads`.
    pub fn read(base: &Path, counts: impl Fn(u32) -> bool) -> Self {
        let (directory, name) = (base.parent().unwrap(), base.file_name().unwrap().to_str().unwrap());
        let mut profile = Self::default();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let Some(rest) = path.file_name().unwrap().to_str().unwrap().strip_prefix(name) else { continue };
            if rest.is_empty() || rest.starts_with('-') {
                let thread = rest.trim_start_matches('-').parse().unwrap_or(1);
                profile.add(thread, counts(thread), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
            }
        }
        assert!(!profile.threads.is_empty(), "valgrind wrote nothing to {}", base.display());
        profile
    }

    fn add(&mut self, thread: u32, counts: bool, text: &str) {
        let mut names: HashMap<&str, &str> = HashMap::new();
        // Who runs, whom it calls, and how often, between a `calls=` and the line behind it.
        let (mut at, mut called, mut number) = ("", "", None);
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                // "(id) name" the first time, "(id)" from then on.
                let (id, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(id, name);
                }
                *if line.starts_with("fn=") { &mut at } else { &mut called } = names[id];
            } else if let Some(total) = line.strip_prefix("totals: ") {
                let total: f64 = total.trim().parse().unwrap();
                *self.threads.entry(thread).or_default() += total;
                if counts {
                    self.total += total;
                }
            } else if !counts {
            } else if let Some(calls) = line.strip_prefix("calls=") {
                number = calls.split(' ').next().map(|number| number.parse::<f64>().unwrap());
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                let function = self.functions.entry(at.to_owned()).or_default();
                function.inclusive += cost;
                let Some(number) = number.take() else {
                    function.own += cost;
                    continue;
                };
                let calls = self.calls.entry((at.to_owned(), called.to_owned())).or_default();
                calls.number += number;
                calls.inclusive += cost;
            }
        }
    }

    /// What `more` has more than this, for each of so many operations.
    pub fn each_of(&self, more: &Self, operations: f64) -> Self {
        let less = |more: f64, this: f64| (more - this) / operations;
        let cost = |(name, more): (&String, &Cost)| {
            let this = self.functions.get(name).copied().unwrap_or_default();
            let cost =
                Cost { own: less(more.own, this.own), inclusive: less(more.inclusive, this.inclusive) };
            (name.clone(), cost)
        };
        let calls = |(names, more): (&(String, String), &Calls)| {
            let this = self.calls.get(names).copied().unwrap_or_default();
            let (number, inclusive) = (less(more.number, this.number), less(more.inclusive, this.inclusive));
            (names.clone(), Calls { number, inclusive })
        };
        let thread =
            |(id, more): (&u32, &f64)| (*id, less(*more, self.threads.get(id).copied().unwrap_or_default()));
        Self {
            total: less(more.total, self.total),
            threads: more.threads.iter().map(thread).collect(),
            functions: more.functions.iter().map(cost).collect(),
            calls: more.calls.iter().map(calls).collect(),
        }
    }

    /// The costliest functions as a table: first by what they do themselves, then with what they call.
    pub fn print(&self, most: usize) {
        let own: fn(&Cost) -> f64 = |cost| cost.own;
        let inclusive: fn(&Cost) -> f64 = |cost| cost.inclusive;
        for (title, of) in [("own", own), ("with what it calls", inclusive)] {
            println!("    {:>12}  {:>6}  {title}", "instructions", "share");
            let mut functions: Vec<_> = self.functions.iter().map(|(name, cost)| (of(cost), name)).collect();
            functions.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (cost, name) in functions.into_iter().take(most) {
                println!("    {cost:>12.1}  {:>5.1}%  {name}", cost * 100.0 / self.total);
            }
        }
    }

    /// Who calls the functions whose names have `part` in them.
    pub fn print_callers(&self, part: &str, most: usize) {
        println!("    {:>12}  {:>8}  who calls {part}", "instructions", "calls");
        let mut calls: Vec<_> = self.calls.iter().filter(|((_, called), _)| called.contains(part)).collect();
        calls.sort_by(|a, b| b.1.inclusive.total_cmp(&a.1.inclusive));
        for ((caller, called), calls) in calls.into_iter().take(most) {
            println!("    {:>12.1}  {:>8.2}  {caller}  ->  {called}", calls.inclusive, calls.number);
        }
    }
}
