//! Random sequences of several clients give the same messages directly and through pgask with fewer connections than
//! clients.
//!
//! A seed is a sequence: `generate` makes it of a `vocabulary`, `play` plays it on both sides, and the `shrink` of one
//! that differs is printed as a script. `FUZZ_SEED` and `FUZZ_SEQUENCES` play others, `FUZZ_SECONDS` ends early, and
//! `FUZZ_WORKERS` play side by side; after `FUZZ_FAILURES` that differ no more are played (`make fuzz-diff`). A long run
//! says once a minute how far it is.

mod coverage;
pub(crate) mod dice;
mod generate;
mod ledger;
mod play;
mod player;
mod script;
mod shrink;
mod stage;
mod vocabulary;

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coverage::Coverage;
use play::Played;
use script::Script;
use stage::{Dirt, Side, Theatre};

/// The seed of the run that is the same every time.
const FIXED_SEED: u64 = 15;

/// How many sequences that run plays; enough to reach every feature.
const FIXED_SEQUENCES: u64 = 400;

/// Sequences before a failing one that may have to do with it.
const HISTORY_MAX: usize = 16;

/// Plays of a failing sequence while it is made smaller.
const TRIALS_MAX: usize = 400;

#[test]
fn random_clients_are_answered_as_directly() {
    let run = Run::from_environment(Run {
        seed: FIXED_SEED,
        sequences: FIXED_SEQUENCES,
        time: None,
        workers: 1,
        failures: 1,
    });
    let coverage = run.play();
    if run.sequences >= FIXED_SEQUENCES && run.time.is_none() {
        let missing = coverage.missing();
        assert!(missing.is_empty(), "never reached: {missing:?}");
    }
}

/// What to play.
struct Run {
    /// Of the first sequence; the next ones count up from it.
    seed: u64,
    sequences: u64,
    time: Option<Duration>,
    workers: u64,
    /// So many sequences that differ end the run.
    failures: usize,
}

impl Run {
    /// What the environment says, else this.
    fn from_environment(default: Self) -> Self {
        let number = |name: &str| {
            std::env::var(name).ok().map(|text| {
                text.parse::<u64>()
                    .unwrap_or_else(|e| panic!("{name}: {e}"))
            })
        };
        Self {
            seed: number("FUZZ_SEED").unwrap_or(default.seed),
            sequences: number("FUZZ_SEQUENCES").unwrap_or(default.sequences),
            time: number("FUZZ_SECONDS").map(Duration::from_secs),
            workers: number("FUZZ_WORKERS").unwrap_or(default.workers),
            failures: number("FUZZ_FAILURES").map_or(default.failures, |count| count as usize),
        }
    }

    fn play(&self) -> Coverage {
        let start = Instant::now();
        eprintln!(
            "differential fuzzing: FUZZ_SEED={} FUZZ_SEQUENCES={}",
            self.seed, self.sequences
        );
        let mut theatre = Theatre::open();
        eprintln!(
            "servers started after {:.1} s",
            start.elapsed().as_secs_f64()
        );
        let next = AtomicU64::new(0);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.workers.max(1))
                .map(|worker| {
                    let worker = Worker {
                        run: self,
                        theatre: &theatre,
                        name: format!("fuzz{worker}"),
                        is_first: worker == 0,
                    };
                    let next = &next;
                    scope.spawn(move || worker.work(next, start))
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .collect()
        });
        let mut coverage = Coverage::default();
        let mut failures = Vec::new();
        for outcome in outcomes {
            coverage.merge(&outcome.coverage);
            failures.extend(outcome.failures);
        }
        let played = next.load(Ordering::Relaxed).min(self.sequences);
        eprintln!(
            "{}played {played} sequences in {:.1} s ({:.0} per second)",
            coverage.table(),
            start.elapsed().as_secs_f64(),
            played as f64 / start.elapsed().as_secs_f64()
        );
        let explained: Vec<_> = failures
            .into_iter()
            .map(|failure| failure.explained(&mut theatre))
            .collect();
        assert!(explained.is_empty(), "\n{}", explained.join("\n"));
        coverage
    }
}

/// One of those that play side by side.
struct Worker<'a> {
    run: &'a Run,
    theatre: &'a Theatre,
    /// What its databases are called after.
    name: String,
    /// Tells how far all of them are.
    is_first: bool,
}

impl Worker<'_> {
    fn work(&self, next: &AtomicU64, start: Instant) -> Outcome {
        let run = self.run;
        let mut stage = Stage::set(self.theatre, &self.name);
        let mut coverage = Coverage::default();
        let mut history = VecDeque::new();
        let mut failures = Vec::new();
        let mut told = start;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= run.sequences || run.time.is_some_and(|time| start.elapsed() > time) {
                // What was not played does not count.
                next.fetch_sub(1, Ordering::Relaxed);
                return Outcome { coverage, failures };
            }
            if self.is_first && told.elapsed() > PROGRESS_INTERVAL {
                told = Instant::now();
                eprintln!(
                    "{index} sequences after {} s; {}",
                    start.elapsed().as_secs(),
                    stage.time
                );
            }
            let seed = run.seed.wrapping_add(index);
            let script = generate::script(seed);
            // A player that panics is as much of a finding, and does not end the others' run.
            let played = catch_unwind(AssertUnwindSafe(|| {
                let (played, difference) = stage.play(&script);
                coverage.add(&played);
                difference.or_else(|| stage.keep_house(index))
            }));
            let (difference, is_broken) = match played {
                Ok(difference) => (difference, false),
                Err(panic) => (Some(said_by(&*panic)), true),
            };
            if let Some(difference) = difference {
                // Told before it is made smaller, which takes a while.
                eprintln!("seed {seed}: {difference}\n{script}");
                failures.push(Failure {
                    seed,
                    script,
                    difference,
                    history: history.iter().cloned().collect(),
                });
                if failures.len() >= run.failures {
                    // Nobody else need go on.
                    next.fetch_max(run.sequences, Ordering::Relaxed);
                    return Outcome { coverage, failures };
                }
                if is_broken {
                    stage = Stage::set(self.theatre, &self.name);
                } else {
                    stage.log_in_anew();
                }
                continue;
            }
            history.push_back(script);
            if history.len() > HISTORY_MAX {
                history.pop_front();
            }
        }
    }
}

fn said_by(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", text.unwrap_or("without a text"))
}

/// How often a run says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(60);

/// So many sequences lie between two proofs that nothing is left of the sessions.
const PROOF_INTERVAL: u64 = 50;

/// So many sequences lie between two times that the tables and the catalog are rid of their dead rows, which would
/// make every sequence slower than the one before.
const VACUUM_INTERVAL: u64 = 500;

struct Outcome {
    coverage: Coverage,
    failures: Vec<Failure>,
}

/// Both sides, for one worker.
struct Stage {
    direct: Side,
    proxied: Side,
    time: Time,
}

/// Where a stage's time went.
#[derive(Default)]
struct Time {
    directly: Duration,
    through_pgask: Duration,
    cleaning: Duration,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of the first worker's time {:.0} s directly, {:.0} s through pgask, {:.0} s cleaning",
            self.directly.as_secs_f64(),
            self.through_pgask.as_secs_f64(),
            self.cleaning.as_secs_f64()
        )
    }
}

/// Runs this and adds to `spent` how long it took.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *spent += start.elapsed();
    result
}

impl Stage {
    fn set(theatre: &Theatre, name: &str) -> Self {
        let [direct, proxied] = theatre.sides(name);
        Self {
            direct,
            proxied,
            time: Time::default(),
        }
    }

    /// As if nothing had been played before.
    fn renew(&mut self, theatre: &mut Theatre) {
        theatre.restart_proxy();
        self.proxied.socket = theatre.proxy_socket();
        self.log_in_anew();
    }

    /// Everybody logs in anew, to tables that are what they were.
    fn log_in_anew(&mut self) {
        let dirt = Dirt {
            rows: true,
            definitions: true,
        };
        for side in [&mut self.direct, &mut self.proxied] {
            side.drop_players();
        }
        self.direct.wait_for_backends();
        self.direct.clean(dirt);
        self.proxied.clean(dirt);
    }

    /// Plays one sequence on both sides, and clears away what it has left in the tables.
    fn play(&mut self, script: &Script) -> (Played, Option<String>) {
        let time = &mut self.time;
        let direct = timed(&mut time.directly, || {
            play::directly(&mut self.direct, script)
        });
        let proxied = timed(&mut time.through_pgask, || {
            play::through_pgask(&mut self.proxied, &direct)
        });
        let difference = match proxied {
            Ok(proxied) => play::difference(&direct, &proxied),
            Err(stuck) => Some(stuck),
        };
        if difference.is_none() {
            let dirt = direct.dirt();
            timed(&mut time.cleaning, || {
                self.direct.clean(dirt);
                self.proxied.clean(dirt);
            });
        }
        (direct, difference)
    }

    /// What has to be done now and then; what is wrong, if anything was found to be.
    fn keep_house(&mut self, index: u64) -> Option<String> {
        if index.is_multiple_of(VACUUM_INTERVAL) {
            self.direct.renew_storage();
            self.proxied.renew_storage();
        }
        index
            .is_multiple_of(PROOF_INTERVAL)
            .then(|| self.prove_reset())?
    }

    /// Shows that the sessions begin the next sequence as new ones would.
    fn prove_reset(&mut self) -> Option<String> {
        let expected = Side::no_residues();
        let direct = self.direct.residues();
        let proxied = self.proxied.residues();
        (direct != expected || proxied != expected)
            .then(|| format!("left behind directly {direct:#?}, through pgask {proxied:#?}"))
    }
}

/// A sequence that differs.
struct Failure {
    seed: u64,
    script: Script,
    difference: String,
    history: Vec<Script>,
}

impl Failure {
    /// Played again and again until the smallest script is found.
    fn explained(mut self, theatre: &mut Theatre) -> String {
        let mut text = format!(
            "FUZZ_SEED={0} FUZZ_SEQUENCES=1 plays seed {0} again\n",
            self.seed
        );
        let mut stage = Stage::set(theatre, "again");
        let mut trial = |script: &Script| {
            stage.renew(theatre);
            stage.play(script).1
        };
        let mut whole = None;
        // Alone, and then with what went before.
        for count in [0, 1, 4, HISTORY_MAX] {
            let count = count.min(self.history.len());
            let before = &self.history[self.history.len() - count..];
            let steps = before
                .iter()
                .chain([&self.script])
                .flat_map(|script| script.steps.clone())
                .collect();
            let script = Script { steps };
            if let Some(difference) = trial(&script) {
                self.difference = difference;
                whole = Some(script);
                break;
            }
        }
        let Some(whole) = whole else {
            text.push_str("it did not differ when it was played again\n");
            return text + &theatre.proxy_logs();
        };
        let smallest = shrink::shrink(whole, TRIALS_MAX, |script| {
            trial(script)
                .inspect(|difference| self.difference.clone_from(difference))
                .is_some()
        });
        text.push_str(&format!(
            "the smallest that was found to differ: {}\n{smallest}",
            self.difference
        ));
        text
    }
}
