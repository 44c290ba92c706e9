//! The `lodestar` program: reads the command line, sets up logging and signals, and runs one command.
//!
//! Exit codes: 0 done; 1 it did not work out (a failed session, a finding of `check`); 2 a wrong command line; 3 an error, which is
//! on standard error.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use lodestar::command_line::{Command, CommandLine, LogFormat, SimCommand};
use lodestar::options::ServeOptions;
use lodestar::{
    accounts, backup, bench, check, configuration_files, plan, replay, serve, simulate, simulate_router, starstate,
};
use sandbox::Limits;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Scripts' memory is limited by what their thread has allocated, so allocations are counted.
#[global_allocator]
static ALLOCATOR: allocation_account::CountingAllocator = allocation_account::CountingAllocator;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    match start(command_line) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("lodestar: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn start(command_line: CommandLine) -> Result<bool> {
    start_log(&command_line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        run(command_line.command, stop).await
    })
}

async fn run(command: Command, stop: CancellationToken) -> Result<bool> {
    match command {
        Command::Serve(arguments) => {
            serve::run(ServeOptions::resolve(*arguments)?, limits(), stop).await?;
            Ok(true)
        }
        Command::Sim(SimCommand::Cpe(arguments)) => simulate::run(*arguments, stop).await,
        Command::Sim(SimCommand::Routeros(arguments)) => simulate_router::run(*arguments, stop).await,
        Command::Bench(arguments) => {
            bench::run(arguments, stop).await?;
            Ok(true)
        }
        Command::Plan(arguments) => plan::run(arguments, limits()).await,
        Command::Replay(arguments) => replay::run(&arguments, &limits()),
        Command::Check(arguments) => check::run(arguments).await,
        Command::StarState(command) => starstate::run(command, stop).await,
        Command::User(command) => accounts::run_user(command).await,
        Command::Key(command) => accounts::run_key(command).await,
        Command::Export(arguments) => {
            configuration_files::export(&arguments).await?;
            Ok(true)
        }
        Command::Apply(arguments) => configuration_files::apply(&arguments).await,
        Command::Backup(arguments) => {
            backup::backup(arguments).await?;
            Ok(true)
        }
        Command::Restore(arguments) => {
            backup::restore(&arguments)?;
            Ok(true)
        }
    }
}

fn limits() -> Limits {
    Limits { memory_probe: Some(allocation_account::thread_bytes), ..Limits::default() }
}

fn start_log(command_line: &CommandLine) -> Result<()> {
    let filter = EnvFilter::try_new(&command_line.log)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match command_line.log_format {
        // Colours are for eyes: a file or the journal would get them as noise.
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

/// The first signal asks for an orderly stop, the second does not wait for it.
async fn stop_on_signal(stop: CancellationToken) {
    wait_for_signal().await;
    stop.cancel();
    wait_for_signal().await;
    eprintln!("lodestar: stopped at once");
    std::process::exit(130);
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    let _ = tokio::signal::ctrl_c().await;
}
