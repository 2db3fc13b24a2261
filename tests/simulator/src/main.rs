//! The simulator as a program: one org until it is stopped.

use std::{
    io::{self, Write},
    net::IpAddr,
    process::ExitCode,
};

use clap::Parser;
use simulator::{ClockStart, Config, Login, Simulator};
use tracing_subscriber::EnvFilter;

/// A Salesforce org to test against. Serves SOAP (login, describe, query, getUpdated, getDeleted) over plain HTTP, and its
/// own control API under /_control.
#[derive(Debug, Parser)]
#[command(name = "simulator", version)]
struct Arguments {
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// Rows of Contact
    #[arg(long, default_value_t = 1_000)]
    contacts: u64,
    /// Rows of Account
    #[arg(long, default_value_t = 200)]
    accounts: u64,
    /// Rows of Lead
    #[arg(long, default_value_t = 100)]
    leads: u64,
    /// The same seed gives the same rows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// User name of the administrator
    #[arg(long, default_value = "admin@example.com")]
    user: String,
    /// Password
    #[arg(long, default_value = "correct horse")]
    password: String,
    /// Security token, which clients append to the password
    #[arg(long, default_value = "TOKEN123")]
    token: String,
    /// Starts the org's clock at this moment instead of the machine's time, e.g. 2026-11-01T10:00:00Z
    #[arg(long)]
    clock: Option<jiff::Timestamp>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(io::stderr)
        .init();
    let Arguments {
        port,
        address,
        contacts,
        accounts,
        leads,
        seed,
        user,
        password,
        token,
        clock,
    } = Arguments::parse();
    let config = Config {
        address,
        port,
        seed,
        contacts,
        accounts,
        leads,
        logins: vec![Login::new(&user, &password, &token)],
        clock: clock.map_or(ClockStart::Machine, ClockStart::At),
        ..Config::default()
    };
    let org = match Simulator::start(config).await {
        Ok(org) => org,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let greeting = format!(
        "Simulated Salesforce org with {contacts} contacts, {accounts} accounts and {leads} leads at {url}\n\n  \
         login URL       {url}\n  user            {user}\n  password        {password}\n  security token  {token}\n  \
         SOAP endpoint   {url}/services/Soap/u/64.0\n  control API     {url}/_control\n",
        url = org.url().as_str().trim_end_matches('/'),
    );
    if let Err(error) = io::stdout()
        .write_all(greeting.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        tracing::error!("the greeting could not be written: {error}");
        return ExitCode::FAILURE;
    }
    tokio::select! {
        () = org.run() => ExitCode::FAILURE,
        stopped = tokio::signal::ctrl_c() => match stopped {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("no signals: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
