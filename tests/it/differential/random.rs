//! Conversations made of random messages, most of them wrong somewhere, from seeds that a failure names.

use super::script::{Scenario, Step, Until};
use crate::support::frames::{
    bind, close_portal, close_statement, describe_portal, describe_statement, execute, flush,
    parse, query, sync,
};

/// Conversations of one test run.
const SEED_COUNT: u64 = 40;

/// Steps of one conversation.
const STEP_COUNT: usize = 12;

/// Messages of one step, at most, before its Sync.
const MESSAGE_COUNT_MAX: u64 = 7;

/// Statements for Parse; each takes no parameter or one that any small number fits.
const STATEMENTS: [&str; 22] = [
    "select 1",
    "select $1::int",
    "select g from generate_series(1, 5) g",
    "select g, repeat('r', 300) from generate_series(1, $1::int) g",
    "select 1 / $1::int",
    "select nope",
    "selec",
    "",
    "begin",
    "commit",
    "rollback",
    "savepoint s",
    "rollback to s",
    "release s",
    "insert into rnd values ($1)",
    "select count(*) from rnd",
    "set work_mem = '99kB'",
    "set local work_mem = '98kB'",
    "show work_mem",
    "reset work_mem",
    "create temp table if not exists tmp_rnd as select 1 as one",
    "deallocate all",
];

/// Texts for Query.
const QUERIES: [&str; 12] = [
    "select 'simple'",
    "select 1; select 2",
    "select 1; select 1/0; select 3",
    "begin",
    "begin; select 1",
    "commit",
    "rollback",
    "insert into rnd values (7); select count(*) from rnd",
    "set application_name = 'random'",
    "reset all",
    "discard all",
    "execute a",
];

const NAMES: [&str; 3] = ["", "a", "b"];
const VALUES: [&str; 4] = ["0", "1", "3", "x"];

/// One scenario for each seed.
pub(super) fn scenarios() -> Vec<Scenario> {
    (0..SEED_COUNT).map(conversation).collect()
}

fn conversation(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed);
    // A statement cannot be prepared anew where a transaction has failed already, so that on another server connection
    // an error there may be another one: half of the conversations open no transaction, and only those are jostled.
    let is_jostled = seed.is_multiple_of(2);
    let mut steps = vec![Step::query("create table rnd (i int primary key)")];
    for _ in 0..STEP_COUNT {
        let mut labels = Vec::new();
        let mut messages = Vec::new();
        for _ in 0..=dice.below(MESSAGE_COUNT_MAX) {
            let (label, message) = message(&mut dice);
            if is_jostled && label.contains("begin") {
                continue;
            }
            labels.push(label);
            messages.push(message);
        }
        messages.push(sync());
        // An empty query is answered in any state, and by nothing else here: it marks the end.
        messages.push(query(""));
        steps.push(Step::until(
            &labels.join(" | "),
            &messages,
            Until::EmptyQuery,
        ));
    }
    Scenario {
        is_jostled,
        ..Scenario::new(&format!("seed {seed}"), steps)
    }
}

fn message(dice: &mut Dice) -> (String, Vec<u8>) {
    let name = *dice.one_of(&NAMES);
    let other = *dice.one_of(&NAMES);
    match dice.below(16) {
        0..=2 => {
            let sql = *dice.one_of(&STATEMENTS);
            (format!("P({name}, {sql})"), parse(name, sql, &[]))
        }
        3..=5 => {
            let value = *dice.one_of(&VALUES);
            let values = [Some(value)];
            let values = &values[..usize::from(dice.below(2) == 1)];
            (
                format!("B({other}, {name}, {values:?})"),
                bind(other, name, values),
            )
        }
        6..=8 => {
            let rows_max = i32::try_from(dice.below(4)).unwrap_or_default();
            (format!("E({name}, {rows_max})"), execute(name, rows_max))
        }
        9 => (format!("DS({name})"), describe_statement(name)),
        10 => (format!("DP({name})"), describe_portal(name)),
        11 => (format!("CS({name})"), close_statement(name)),
        12 => (format!("CP({name})"), close_portal(name)),
        13 => ("H".to_owned(), flush()),
        14 => ("S".to_owned(), sync()),
        _ => {
            let sql = *dice.one_of(&QUERIES);
            (format!("Q({sql})"), query(sql))
        }
    }
}

/// Numbers that look random and are the same for the same seed.
///
/// # Source
/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (SplitMix64), 2014.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = self.below(choices.len() as u64);
        &choices[usize::try_from(index).unwrap()]
    }
}
