//! `pgask eval`: scores a suite of questions, or compares two scores.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::app::console;
use crate::app::failure::Failure;
use crate::app::rooms;
use crate::ask::session_settings::{SessionSettings, Values};
use crate::config::Settings;
use crate::eval::database::{self, Origin};
use crate::eval::outcome::{self, Log, Outcome};
use crate::eval::paired::Paired;
use crate::eval::run::{Run, Source};
use crate::eval::score::Score;
use crate::eval::suite::{Question, Suite};
use crate::eval::{html, text};
use crate::observe::metrics::Metrics;
use crate::pool::registry::control_config;
use crate::state::settings::StoreKind;

/// What a run is told on the command line.
#[derive(Debug)]
pub struct Order {
    /// The suite's directory.
    pub suite: PathBuf,
    /// A file of answers that are judged, and nothing is asked.
    pub predictions: Option<PathBuf>,
    /// The only provider that is asked.
    pub provider: Option<String>,
    /// The only databases that are asked about; all when it is empty.
    pub databases: Vec<String>,
    /// Where a line for each question goes, and where those of a run that was broken off are.
    pub json: Option<PathBuf>,
    /// Where the report goes.
    pub html: Option<PathBuf>,
    /// How many questions are asked at once.
    pub jobs: usize,
}

/// Scores a suite against the first upstream's server, and prints the score.
///
/// # Errors
/// When the suite or a file cannot be read or written, the server cannot be reached or refuses to make a database, or
/// a gold query fails. A question that is not answered is no failure.
pub async fn eval(settings: &Settings, order: &Order) -> Result<(), Failure> {
    let suite = Suite::read(&order.suite).map_err(|error| Failure::new(error.to_string()))?;
    let questions = chosen(&suite, &order.databases)?;
    let mut settings = settings.clone();
    // A question that stands twice is to be worked out twice.
    settings.cache.enabled = false;
    // What somebody has pinned or corrected is not what is measured.
    settings.state.store = StoreKind::None;
    let upstream = settings
        .upstream
        .first()
        .ok_or_else(|| Failure::new("no server: expected --server URL"))?;
    let endpoint = upstream.endpoint();
    let mut server = control_config(&endpoint);
    server.dbname(&endpoint.database);

    let so_far = match &order.json {
        Some(path) if path.exists() => so_far(path, &suite.questions)?,
        _ => Vec::new(),
    };
    let log = match &order.json {
        Some(path) => Log::over(path, &so_far).map_err(|error| cannot(path, &error))?,
        None => Log::nowhere(),
    };
    let given = order.predictions.as_deref().map(predictions).transpose()?;
    prepare(&suite, &questions, &server).await?;

    let done: HashSet<&str> = so_far.iter().map(|outcome| &*outcome.id).collect();
    let left: Vec<&Question> = questions
        .iter()
        .filter(|question| !done.contains(&*question.id))
        .copied()
        .collect();
    if left.len() < questions.len() {
        let count = questions.len() - left.len();
        console::say(&format!(
            "{count} questions were answered before; they are not asked again"
        ));
    }
    let progress = Progress::over(left.len());
    let log = Mutex::new(log);
    let mut new = Vec::with_capacity(left.len());
    for about_one in left.chunk_by(|one, next| one.database == next.database) {
        // Rooms keep connections to every database that they were asked about, more than most servers have.
        let control = rooms::control(&settings);
        let (pipeline, _) = rooms::asking(&settings, &control, &Metrics::new().into())?;
        let values = values(&settings, order, &pipeline.providers())?;
        let run = Run {
            suite: &suite,
            source: match &given {
                Some(answers) => Source::Given(answers),
                None => Source::Asked {
                    pipeline: &pipeline,
                    values: &values,
                    upstream: &upstream.name,
                    role: &endpoint.user,
                },
            },
            server: &server,
            jobs: order.jobs,
        };
        let count = |outcome: &Outcome| progress.count(outcome);
        new.extend(run.run(about_one, &log, &count).await?);
    }
    progress.end();

    let asked: HashSet<&str> = questions.iter().map(|question| &*question.id).collect();
    let outcomes: Vec<Outcome> = so_far
        .iter()
        .filter(|outcome| asked.contains(&*outcome.id))
        .cloned()
        .chain(new)
        .collect();
    let score = Score::of(&outcomes);
    if let Some(path) = &order.html {
        let page = html::page(&suite.name, &score, &outcomes);
        fs::write(path, page).map_err(|error| cannot(path, &error))?;
    }
    console::print(&text::of_score(&score))
}

/// Compares the outcomes in two files, and prints how.
///
/// # Errors
/// When one of them cannot be read, or they have no question in common.
pub fn compare(first: &Path, second: &Path) -> Result<(), Failure> {
    let read = |path: &Path| outcome::read(path).map_err(|error| cannot(path, &error));
    let paired = Paired::of(&read(first)?, &read(second)?);
    if paired.count == 0 {
        return Err(Failure::new("the two files have no question in common"));
    }
    let name = |path: &Path| path.display().to_string();
    console::print(&text::of_pair(&name(first), &name(second), &paired))
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

/// The questions about these databases, those of one database together.
fn chosen<'a>(suite: &'a Suite, databases: &[String]) -> Result<Vec<&'a Question>, Failure> {
    if let Some(unknown) = databases
        .iter()
        .find(|name| !suite.databases.contains_key(*name))
    {
        let known: Vec<&str> = suite.databases.keys().map(String::as_str).collect();
        return Err(Failure::new(format!(
            "--database {unknown}: the suite has {}",
            known.join(", ")
        )));
    }
    let is_chosen =
        |question: &&Question| databases.is_empty() || databases.contains(&question.database);
    let mut questions: Vec<&Question> = suite.questions.iter().filter(is_chosen).collect();
    questions.sort_by_key(|question| &question.database);
    Ok(questions)
}

/// What an earlier run has written of these questions.
fn so_far(path: &Path, questions: &[Question]) -> Result<Vec<Outcome>, Failure> {
    let outcomes = outcome::read(path).map_err(|error| cannot(path, &error))?;
    let mut known: HashMap<&str, &str> = questions.iter().map(|q| (&*q.id, &*q.text)).collect();
    // Each once, and only if it is still the same question.
    Ok(outcomes
        .into_iter()
        .filter(|outcome| {
            known
                .remove(&*outcome.id)
                .is_some_and(|text| text == outcome.question)
        })
        .collect())
}

/// Reads a file of answers: a line for each question, with its `id` and its `sql`, null for a refusal.
fn predictions(path: &Path) -> Result<HashMap<String, Option<String>>, Failure> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        sql: Option<String>,
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(path, &error))?;
    let mut answers = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line: Line = serde_json::from_str(line)
            .map_err(|error| Failure::new(format!("{}, line {number}: {error}", path.display())))?;
        answers.insert(line.id, line.sql);
    }
    Ok(answers)
}

async fn prepare(
    suite: &Suite,
    questions: &[&Question],
    server: &tokio_postgres::Config,
) -> Result<(), Failure> {
    let wanted = |name: &&String| questions.iter().any(|question| question.database == **name);
    for name in suite.databases.keys().filter(wanted) {
        let full = suite.database_name(name);
        let origin = database::prepare(server, &full, &suite.databases[name])
            .await
            .map_err(|refusal| Failure::new(format!("database {full}: {refusal}")))?;
        match origin {
            Origin::Made => console::say(&format!("database {full} made")),
            Origin::Reused => {}
            Origin::Foreign => console::say(&format!(
                "database {full} was not made by pgask eval; it is used as it is"
            )),
        }
    }
    Ok(())
}

fn values(settings: &Settings, order: &Order, providers: &[&str]) -> Result<Values, Failure> {
    let mut values = SessionSettings::new(&settings.ask).current().clone();
    if let Some(name) = &order.provider {
        if !providers.contains(&&**name) {
            return Err(Failure::new(format!(
                "--provider {name}: the configuration has {}",
                providers.join(", ")
            )));
        }
        values.provider = Some(name.clone());
    }
    Ok(values)
}

/// A bar on a terminal, nothing elsewhere.
struct Progress(ProgressBar);

impl Progress {
    fn over(count: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(count as u64);
        let template = "{bar:40} {pos}/{len} questions, {eta} left, {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn count(&self, outcome: &Outcome) {
        self.0.set_message(outcome.db.clone());
        self.0.inc(1);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
