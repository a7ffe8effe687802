//! The command line of `baton-agent`.

pub mod check_config;
pub mod enrol;
pub mod status;
pub mod takes_up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::DEFAULT_CONFIG;

/// The agent of Baton: runs the VRRP election on this host, binds and announces virtual addresses.
#[derive(Debug, Parser)]
#[command(name = "baton-agent", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, env = "BATON_AGENT_CONFIG", default_value = DEFAULT_CONFIG, value_name = "FILE")]
    pub config: PathBuf,
    /// Print the effective configuration and exit with 0, or say what is wrong with it and exit with 2.
    #[arg(long, global = true)]
    pub check_config: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<AgentCommand>,
}

/// What `baton-agent` can do.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Run the agent until SIGTERM or SIGINT. On SIGHUP the program and the configuration that are there by
    /// then go on in its place, and no address moves.
    Run(RunArguments),
    /// Whether this program can go on with what runs; asked by the agent on SIGHUP.
    #[command(hide = true)]
    TakesUp(TakesUpArguments),
    /// The process that does the work; started by `run`.
    #[command(hide = true)]
    Worker(WorkerArguments),
    /// Runs a program of this host for the worker, which says which on standard input.
    #[command(hide = true)]
    RunProgram,
    /// Becomes a program of this host.
    #[command(hide = true)]
    BecomeProgram,
    /// Show how the agent on this host stands; needs no server.
    Status(StatusArguments),
    /// Get an identity from the server for a join token.
    Enrol(EnrolArguments),
}

/// What an agent leaves to the program that takes its place in the same process; nothing at an ordinary
/// start.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// The file descriptor of the memory that it shares with its worker.
    #[arg(long, value_name = "FD", hide = true, requires_all = ["lock_fd", "lifeline_fd", "worker_pid"])]
    pub memory_fd: Option<i32>,
    /// The file descriptor of the locked file in the state directory.
    #[arg(long, value_name = "FD", hide = true, requires = "memory_fd")]
    pub lock_fd: Option<i32>,
    /// The file descriptor of the worker's lifeline.
    #[arg(long, value_name = "FD", hide = true, requires = "memory_fd")]
    pub lifeline_fd: Option<i32>,
    /// Its worker.
    #[arg(long, value_name = "PID", hide = true, requires = "memory_fd")]
    pub worker_pid: Option<u32>,
}

/// What there is to go on with.
#[derive(Debug, Clone, Args)]
pub struct TakesUpArguments {
    /// The layout of the memory that parent and worker share.
    #[arg(long)]
    pub layout: u64,
    /// The state directory that is locked.
    #[arg(long, value_name = "DIRECTORY")]
    pub state_dir: PathBuf,
}

/// What the parent tells the worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerArguments {
    /// The file descriptor of the memory that parent and worker share.
    #[arg(long, value_name = "FD")]
    pub memory_fd: i32,
    /// The file descriptor of the locked file in the state directory.
    #[arg(long, value_name = "FD")]
    pub lock_fd: i32,
    /// The file descriptor of the configuration that the parent runs with.
    #[arg(long, value_name = "FD")]
    pub settings_fd: i32,
    /// The file descriptor that breaks when this process dies.
    #[arg(long, value_name = "FD")]
    pub lifeline_fd: Option<i32>,
    /// The process that has started this one and watches it.
    #[arg(long, value_name = "PID")]
    pub parent_pid: u32,
    /// The worker that lives, and that is to hand over to this one.
    #[arg(long, value_name = "PID")]
    pub predecessor_pid: Option<u32>,
}

/// How to show the status.
#[derive(Debug, Clone, Args)]
pub struct StatusArguments {
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    pub output: OutputFormat,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How to enrol.
#[derive(Debug, Clone, Args)]
pub struct EnrolArguments {
    /// The file with the join token; `server.join_token_file` of the configuration when left out.
    #[arg(long, value_name = "FILE")]
    pub join_token_file: Option<PathBuf>,
    /// Replace the identity that this agent already has.
    #[arg(long)]
    pub replace: bool,
}
