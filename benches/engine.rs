//! How long the built-in engine takes: to read a schema, and to answer a question. Run by `make bench-engine`.
//!
//! Schemas and questions are generated, the same ones each time: tables that refer to one another, with text columns whose
//! values are known. Prints a table; times are of one thread.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pgask::access::visible::Visible;
use pgask::schema::snapshot::{
    Column, ColumnStats, ForeignKey, Relation, RelationId, Snapshot, TypeClass,
};
use pgask::synth::builtin::Engine;

/// Tables of each schema, and values of its text columns together.
const SCHEMAS: [(usize, usize); 3] = [(20, 4_000), (300, 30_000), (2_000, 200_000)];

/// Questions asked of each schema.
const QUESTIONS: usize = 1_000;

/// Questions asked before time is taken.
const WARM_UP: usize = 50;

const THINGS: &[&str] = &[
    "customer", "order", "product", "invoice", "shipment", "employee", "supplier", "device",
    "ticket", "contract", "payment", "account", "project", "task", "vehicle", "route", "station",
    "patient", "course", "booking",
];

const KINDS: &[&str] = &[
    "archive", "audit", "batch", "cost", "daily", "draft", "export", "field", "group", "history",
    "import", "legacy", "line", "master", "monthly", "note", "online", "partner", "public",
    "quota", "region", "rule", "sales", "season", "service", "shared", "source", "staging",
    "summary", "support", "target", "team", "test", "trial", "type", "unit", "vendor", "version",
    "weekly", "yearly",
];

const NUMBERS: &[&str] = &[
    "price", "amount", "quantity", "score", "weight", "total", "rating", "stock",
];

const TEXTS: &[&str] = &[
    "status", "city", "country", "category", "color", "brand", "level", "channel",
];

const SYLLABLES: &[&str] = &[
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va",
    "we", "xi", "yo", "zu", "bra", "cle", "dri", "flo", "gru", "stel", "tran", "vor",
];

fn main() -> io::Result<()> {
    let mut table = String::new();
    let _ = writeln!(
        table,
        "{:>7} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9}",
        "tables", "values", "build", "memory", "p50", "p99", "longest", "answered"
    );
    for (tables, values) in SCHEMAS {
        let _ = writeln!(table, "{}", measure(tables, values));
    }
    io::stdout().write_all(table.as_bytes())
}

/// A line of the table.
fn measure(tables: usize, value_count: usize) -> String {
    let mut rng = Rng::with_seed(tables as u64);
    let snapshot = Arc::new(schema(tables, value_count, &mut rng));
    let questions: Vec<String> = (0..QUESTIONS + WARM_UP)
        .map(|_| question(&snapshot, &mut rng))
        .collect();
    let visible = Visible::new(Arc::clone(&snapshot), Arc::from(["public".to_owned()]));
    let before = resident();
    let started = Instant::now();
    let engine = Engine::new(&visible);
    let build = started.elapsed();
    let memory = before.zip(resident());

    let name: Arc<str> = Arc::from("builtin");
    let today = jiff::civil::date(2026, 11, 21);
    let mut times: Vec<Duration> = Vec::with_capacity(QUESTIONS);
    let mut answered = 0;
    for (number, question) in questions.iter().enumerate() {
        let started = Instant::now();
        let drafted = black_box(engine.draft((question, 0), today, (&[], false), (&name, 0.5)));
        if number >= WARM_UP {
            times.push(started.elapsed());
            answered += usize::from(drafted.is_ok());
        }
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!(
        "{tables:>7} {value_count:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>7} %",
        shown(build),
        memory.map_or_else(
            || "unknown".to_owned(),
            |(before, after)| format!("{:.1} MB", after.saturating_sub(before) as f64 / 1e6)
        ),
        shown(at(0.5)),
        shown(at(0.99)),
        shown(at(1.0)),
        answered * 100 / QUESTIONS
    )
}

fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Bytes of this process that are in memory; `None` where the system does not tell.
fn resident() -> Option<u64> {
    /// The size of a page on every Linux that this runs on by default.
    const PAGE_BYTES: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// A table has a key, a name, two numbers, two texts, a date, and refers to up to two tables before it.
fn schema(tables: usize, value_count: usize, rng: &mut Rng) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let values_each = value_count / (tables * 3);
    for position in 0..tables {
        let thing = THINGS[position % THINGS.len()];
        let kinds = position / THINGS.len();
        let name = match (kinds % (KINDS.len() + 1), kinds / (KINDS.len() + 1)) {
            (0, 0) => format!("{thing}s"),
            (kind, 0) => format!("{}_{thing}s", KINDS[kind - 1]),
            (0, more) => format!("{}_{thing}_{}s", KINDS[more], KINDS[more + 1]),
            (kind, more) => format!("{}_{}_{thing}s", KINDS[kind - 1], KINDS[more]),
        };
        let mut columns = vec![
            column("id", TypeClass::Integer, Vec::new()),
            column("name", TypeClass::Text, values(values_each, rng)),
            column("created_on", TypeClass::Date, Vec::new()),
        ];
        for list in [NUMBERS, NUMBERS] {
            let number = list[rng.usize(..list.len())];
            if columns.iter().all(|c| c.name != number) {
                columns.push(column(number, TypeClass::Decimal, Vec::new()));
            }
        }
        for list in [TEXTS, TEXTS] {
            let text = list[rng.usize(..list.len())];
            if columns.iter().all(|c| c.name != text) {
                columns.push(column(text, TypeClass::Text, values(values_each, rng)));
            }
        }
        for to in (0..2).filter_map(|_| position.checked_sub(1 + rng.usize(..8))) {
            let target: &Relation = &snapshot.relations[to];
            let name = format!("{}_id", target.name.trim_end_matches('s'));
            if columns.iter().all(|c| c.name != name) {
                snapshot.foreign_keys.push(ForeignKey {
                    name: name.clone(),
                    from: RelationId(position),
                    from_columns: vec![columns.len()],
                    to: RelationId(to),
                    to_columns: vec![0],
                });
                columns.push(column(&name, TypeClass::Integer, Vec::new()));
            }
        }
        snapshot.relations.push(Relation {
            schema: "public".to_owned(),
            name,
            columns,
            primary_key: vec![0],
            row_estimate: Some(1_000.0),
            ..Relation::default()
        });
    }
    snapshot
}

fn column(name: &str, class: TypeClass, values: Vec<Arc<str>>) -> Column {
    Column {
        name: name.to_owned(),
        class,
        not_null: true,
        stats: Some(ColumnStats {
            distinct: values.len() as f32,
            other_values: values.into(),
            ..ColumnStats::default()
        }),
        ..Column::default()
    }
}

fn values(count: usize, rng: &mut Rng) -> Vec<Arc<str>> {
    let mut values: Vec<Arc<str>> = (0..count).map(|_| Arc::from(value(rng))).collect();
    values.sort();
    values.dedup();
    values
}

/// One to three words of two to four syllables.
fn value(rng: &mut Rng) -> String {
    let word = |rng: &mut Rng| {
        let syllables: String = (0..rng.usize(2..5))
            .map(|_| SYLLABLES[rng.usize(..SYLLABLES.len())])
            .collect();
        syllables[..1].to_uppercase() + &syllables[1..]
    };
    let words: Vec<String> = (0..rng.usize(1..4)).map(|_| word(rng)).collect();
    words.join(" ")
}

/// A question about a table, of one of a dozen shapes; one in ten has a slip in it.
fn question(snapshot: &Snapshot, rng: &mut Rng) -> String {
    let relation = &snapshot.relations[rng.usize(..snapshot.relations.len())];
    let rows = relation.name.replace('_', " ");
    let of = |class: TypeClass, rng: &mut Rng| -> &Column {
        let fitting: Vec<&Column> = relation
            .columns
            .iter()
            .filter(|c| c.class == class && !c.name.ends_with("id"))
            .collect();
        fitting[rng.usize(..fitting.len())]
    };
    let number = &of(TypeClass::Decimal, rng).name;
    let text = of(TypeClass::Text, rng);
    let stored = &text
        .stats
        .as_ref()
        .expect("every column has some")
        .other_values;
    let stored = stored
        .get(rng.usize(..stored.len().max(1)))
        .map_or("Oslo", |v| &**v);
    let text = &text.name;
    let question = match rng.usize(..12) {
        0 => format!("how many {rows} are there"),
        1 => format!("names of {rows} with {text} {stored}"),
        2 => format!("average {number} of {rows} by {text}"),
        3 => format!("top 5 {rows} by {number}"),
        4 => format!("{rows} with {number} over 100"),
        5 => format!("how many {rows} created in 2025 per month"),
        6 => format!("which {text} has the most {rows}"),
        7 => format!("{rows} whose {text} is {stored} and {number} between 10 and 20"),
        8 => format!("total {number} of {rows} for each {text}"),
        9 => format!("list the name and {number} of all {rows} sorted by {number} descending"),
        10 => format!("what is the maximum {number} of {rows} in {stored}"),
        _ => format!("{rows} with {number} above the average"),
    };
    if rng.usize(..10) > 0 {
        return question;
    }
    // Two letters of a longer word change places.
    let mut words: Vec<String> = question.split(' ').map(str::to_owned).collect();
    if let Some(word) = words
        .iter_mut()
        .filter(|w| w.len() > 6 && w.is_ascii())
        .last()
    {
        let mut letters: Vec<char> = word.chars().collect();
        letters.swap(3, 4);
        *word = letters.into_iter().collect();
    }
    words.join(" ")
}
