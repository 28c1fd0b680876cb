//! The command line: what can be typed, and which command that is.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::failure::Failure;
use crate::app::{ask, check, console, demo, eval, print_config, serve, state};
use crate::config::{self, Flag, Loaded, Sources};
use crate::observe::log;

/// A PostgreSQL proxy: SQL goes through untouched, and a question in plain language comes back as rows.
#[derive(Debug, Parser)]
#[command(name = "pgask", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: SourceFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy (also without a command).
    Serve(SourceFlags),
    /// Start a throwaway PostgreSQL with a sample shop, and the proxy before it; Ctrl-C removes all.
    Demo(DemoFlags),
    /// Check the configuration, reach what it names, and print what was found.
    Check(SourceFlags),
    /// Ask one question, and print its rows.
    Ask(AskFlags),
    /// Write pins and feedback as text, or read them back.
    State(StateFlags),
    /// Score a suite of questions, or compare two scores.
    Eval(EvalFlags),
    /// Print the effective configuration with where each value came from, secrets hidden.
    Config(SourceFlags),
}

/// Where settings come from, for a command that listens or says what it would listen on.
#[derive(Debug, Args)]
struct SourceFlags {
    #[command(flatten)]
    server: ServerFlags,
    /// Where clients connect: host:port
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

/// Where settings come from.
#[derive(Debug, Args)]
struct ServerFlags {
    /// The configuration [default: proxy.toml in the working directory, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The only upstream: postgres://service[:password]@host[:port][/database]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
}

/// What the demo may be told.
#[derive(Debug, Args)]
struct DemoFlags {
    /// The port that clients connect to.
    #[arg(long, value_name = "PORT", default_value_t = 6432)]
    port: u16,
    /// The port of metrics and health.
    #[arg(long, value_name = "PORT", default_value_t = 9432)]
    http_port: u16,
}

/// What is asked.
#[derive(Debug, Args)]
struct AskFlags {
    #[command(flatten)]
    server: ServerFlags,
    /// Print the SQL, and run nothing.
    #[arg(long)]
    sql: bool,
    /// The question, in quotes or as it is.
    #[arg(required = true, value_name = "QUESTION")]
    question: Vec<String>,
}

/// What is done with the state store.
#[derive(Debug, Args)]
struct StateFlags {
    #[command(subcommand)]
    what: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Write every pin and all feedback, one block each, in an order that diffs well.
    Export(FileFlags),
    /// Read such a text, all of it or nothing; what has the same name or question is replaced.
    Import(FileFlags),
}

/// Which text.
#[derive(Debug, Args)]
struct FileFlags {
    #[command(flatten)]
    server: ServerFlags,
    /// The text [default: standard output or input]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What is scored, or compared.
#[derive(Debug, Args)]
struct EvalFlags {
    /// The suite: a directory with questions.jsonl and sql/DATABASE.sql
    #[arg(long, value_name = "DIR", required_unless_present = "compare")]
    suite: Option<PathBuf>,
    /// A server to make the suite's databases on, as a user who may: postgres://user[:password]@host[:port][/database]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The configuration, for its providers [default: proxy.toml in the working directory, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask nobody, and judge the answers in this file: lines of {"id": ..., "sql": ... or null}
    #[arg(long, value_name = "FILE", conflicts_with = "provider")]
    predictions: Option<PathBuf>,
    /// Ask only this provider, with none to follow it
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Ask only about this database of the suite; may be repeated
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Write a line for each question to this file; one that is there is gone on with
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a report to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Questions asked at once; latencies are true with 1
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
    /// Compare two files that --json wrote, question by question
    #[arg(long, num_args = 2, value_names = ["A", "B"], exclusive = true)]
    compare: Option<Vec<PathBuf>>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 it went well; 1 something that was tried failed; 2 a mistake on the command line or in the configuration.";

/// Runs the command that the process was started with, to its end.
///
/// A mistake on the command line ends the process here, with exit code 2.
#[must_use]
pub fn run() -> ExitCode {
    match dispatch(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::say(&format!("pgask: {failure}"));
            failure.exit_code()
        }
    }
}

fn dispatch(line: CommandLine) -> Result<(), Failure> {
    match line.command.unwrap_or(Command::Serve(line.serve)) {
        Command::Serve(flags) => {
            let loaded = flags.load()?;
            start_log(&loaded.settings)?;
            block_on(serve::serve(loaded.settings))
        }
        Command::Demo(flags) => block_on(demo::demo(flags.port, flags.http_port)),
        Command::Check(flags) => block_on(check::check(&flags.load()?)),
        Command::Ask(flags) => {
            let settings = flags.server.load(None)?.settings;
            block_on(ask::ask(&settings, &flags.question.join(" "), flags.sql))
        }
        Command::State(StateFlags { what }) => match what {
            StateCommand::Export(flags) => {
                let settings = flags.server.load(None)?.settings;
                block_on(state::export(&settings, flags.file.as_deref()))
            }
            StateCommand::Import(flags) => {
                let settings = flags.server.load(None)?.settings;
                block_on(state::import(&settings, flags.file.as_deref()))
            }
        },
        Command::Eval(flags) => flags.run(),
        Command::Config(flags) => print_config::print_config(&flags.load()?),
    }
}

impl SourceFlags {
    fn load(self) -> Result<Loaded, Failure> {
        self.server.load(self.listen.map(Flag::listen))
    }
}

impl ServerFlags {
    fn load(self, more: Option<Flag>) -> Result<Loaded, Failure> {
        let upstream = self.upstream.map(Flag::upstream);
        let flags = upstream.into_iter().chain(more).collect();
        Ok(config::load(&Sources::of_process(self.config, flags))?)
    }
}

impl EvalFlags {
    fn run(self) -> Result<(), Failure> {
        if let Some([first, second]) = self.compare.as_deref() {
            return eval::compare(first, second);
        }
        let source = ServerFlags {
            config: self.config,
            upstream: self.server,
        };
        let settings = source.load(None)?.settings;
        let order = eval::Order {
            suite: self.suite.unwrap_or_default(),
            predictions: self.predictions,
            provider: self.provider,
            databases: self.database,
            json: self.json,
            html: self.html,
            jobs: usize::from(self.jobs),
        };
        block_on(eval::eval(&settings, &order))
    }
}

fn start_log(settings: &config::Settings) -> Result<(), Failure> {
    log::start(&settings.log).map_err(|error| Failure::new(format!("log.level: {error}")))
}

/// Every command has the one runtime of its process.
fn block_on<F: Future<Output = Result<(), Failure>>>(command: F) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_holds_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn no_command_is_serve() {
        let line = parse("pgask --upstream postgres://s@h --listen :1").unwrap();
        assert!(line.command.is_none());
        assert_eq!(
            line.serve.server.upstream.as_deref(),
            Some("postgres://s@h")
        );
        let line = parse("pgask serve --config x.toml").unwrap();
        assert!(
            matches!(line.command, Some(Command::Serve(flags)) if flags.server.config.is_some())
        );
    }

    #[test]
    fn the_demo_has_ports_of_its_own() {
        let line = parse("pgask demo --http-port 1").unwrap();
        let Some(Command::Demo(flags)) = line.command else {
            panic!("{line:?}");
        };
        assert_eq!((flags.port, flags.http_port), (6432, 1));
    }

    #[test]
    fn a_question_needs_no_quotes() {
        let line = parse("pgask ask --sql how many orders").unwrap();
        let Some(Command::Ask(flags)) = line.command else {
            panic!("{line:?}");
        };
        assert!(flags.sql);
        assert_eq!(flags.question, ["how", "many", "orders"]);
        assert_eq!(parse("pgask ask --sql").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_suite_is_scored_or_two_scores_are_compared() {
        let line = parse("pgask eval --suite x --server postgres://s@h --database a --database b")
            .unwrap();
        let Some(Command::Eval(flags)) = line.command else {
            panic!("{line:?}");
        };
        assert_eq!((flags.database.len(), flags.jobs), (2, 1));
        assert!(parse("pgask eval --compare a.json b.json").is_ok());
        for line in [
            "pgask eval",
            "pgask eval --compare a.json",
            "pgask eval --suite x --compare a.json b.json",
            "pgask eval --suite x --jobs 0",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn what_is_unknown_is_a_usage_mistake() {
        for line in [
            "pgask dmeo",
            "pgask --port 1",
            "pgask demo --port x",
            "pgask --listen",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
