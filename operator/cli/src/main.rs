//! The command line of Salesforce Replicator.
//!
//! What was typed ([`arguments`]) leads to a command; a command reads documents and secrets, opens a session of the
//! engine and prints through the one [`printer`]. How the process ends is decided in one place ([`exit`]). Nothing here
//! knows how Salesforce or a database is spoken to. Called `kubectl-sfr`, the same binary is a [`plugin`] of kubectl.

mod arguments;
mod command;
mod documents;
mod exit;
mod failure;
mod logging;
mod plugin;
mod printer;
mod progress;
mod secrets;
mod session;
mod stop;
mod ticks;
mod tree;

use std::{env, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser};
use indicatif::MultiProgress;
use salesforce::{AllowHttp, clock::SystemClock};

use crate::{
    arguments::{Arguments, Command, Format},
    exit::Exit,
    failure::Failure,
    logging::Voice,
    printer::Printer,
    session::Context,
};

/// How long threads that block (a driver, a file) may take to end once all is said.
const SHUTDOWN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let is_plugin = env::args_os().next().is_some_and(|program| plugin::is_called(&program));
    let done = if is_plugin {
        plugin::arguments::Arguments::try_parse().map(execute_plugin)
    } else {
        Arguments::try_parse().map(execute)
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            // Help that cannot be written is nobody's to hear.
            error.print().ok();
            return exit.into();
        }
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            Printer::failure(&failure);
            failure.exit().into()
        }
    }
}

fn execute_plugin(arguments: plugin::arguments::Arguments) -> Result<Exit, Failure> {
    let bars = MultiProgress::new();
    let context = Context {
        printer: Printer::new(arguments.output, bars.clone()),
        // It asks no org.
        allow_http: AllowHttp::LoopbackOnly,
        clock: SystemClock::shared(),
        bars,
    };
    block_on(Box::pin(plugin::execute(arguments, &context)))
}

fn execute(Arguments { command, global }: Arguments) -> Result<Exit, Failure> {
    let bars = MultiProgress::new();
    let context = Context {
        printer: Printer::new(global.output, bars.clone()),
        allow_http: if global.allow_http {
            AllowHttp::Anywhere
        } else {
            AllowHttp::LoopbackOnly
        },
        clock: SystemClock::shared(),
        bars,
    };
    let voice = match &command {
        Command::Operator(_) => Voice::Telling,
        Command::Run(run) if !run.once => Voice::Telling,
        Command::Run(_)
        | Command::Plan(_)
        | Command::Preview(_)
        | Command::Objects(_)
        | Command::Fields(_)
        | Command::Check(_)
        | Command::Init(_)
        | Command::Crd
        | Command::Metrics
        | Command::Reference { .. }
        | Command::Completions { .. } => Voice::Quiet,
    };
    logging::start(&global, voice, &context.bars);
    match command {
        Command::Crd => {
            let printed = match global.output {
                Format::Text | Format::Yaml => crds::crd_yaml().map_err(|error| Failure::Defect(error.to_string()))?,
                Format::Json => crds::crd_json().map_err(|error| Failure::Defect(error.to_string()))?,
            };
            Printer::text(&printed).map(|()| Exit::Success)
        }
        Command::Metrics => command::metrics::metrics(&context),
        Command::Reference { .. } if global.output != Format::Text => Err(Failure::Usage(
            "the pages are Markdown and have no other form: leave --output away".to_owned(),
        )),
        Command::Reference { page } => Printer::text(&command::reference::page(page)).map(|()| Exit::Success),
        Command::Completions { .. } if global.output != Format::Text => Err(Failure::Usage(
            "completions are a script for a shell: they have no other form, leave --output away".to_owned(),
        )),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "salesforce-replicator", &mut script);
            Printer::text(&String::from_utf8_lossy(&script)).map(|()| Exit::Success)
        }
        Command::Operator(operator) => block_on(Box::pin(command::operate::operate(operator, &context))),
        Command::Run(run) => block_on(Box::pin(command::run::run(run, &context))),
        Command::Plan(plan) => block_on(Box::pin(command::plan::plan(plan, &context))),
        Command::Preview(preview) => block_on(Box::pin(command::preview::preview(preview, &context))),
        Command::Check(check) => block_on(Box::pin(command::check::check(check, &context))),
        Command::Init(init) => block_on(Box::pin(command::init::init(init, &context))),
        Command::Objects(objects) => block_on(Box::pin(command::discover::objects(objects, &context))),
        Command::Fields(fields) => block_on(Box::pin(command::discover::fields(fields, &context))),
    }
}

fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Defect(format!("no threads: {error}")))?;
    let done = runtime.block_on(work);
    match &done {
        // Another process may write by now: nothing of this one may go on, whatever it is about.
        Err(Failure::Operator(error)) if error.is_at_once() => runtime.shutdown_background(),
        // Whoever sends a signal, and perhaps a second one, does not wait for threads: what they were at rolls back.
        Ok(Exit::Interrupted | Exit::Terminated) => runtime.shutdown_background(),
        Ok(_) | Err(_) => runtime.shutdown_timeout(SHUTDOWN),
    }
    done
}
