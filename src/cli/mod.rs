//! The command line: what can be typed, what is printed, and the exit codes.
//!
//! One file per command. A command turns its arguments into checked values, calls one function that does
//! the work, and prints what came back. Nothing here decides anything about accounts or tokens.

pub mod audit;
pub mod completions;
pub mod config;
pub mod health;
pub mod key;
pub mod loadtest;
pub mod migrate;
pub mod record;
pub mod serve;
pub mod session;
pub mod tls_dev;
pub mod token;
pub mod torture;
pub mod user;

mod args;
mod dispatch;
mod exit;
mod password;
mod probe;
mod sources;
mod table;

pub use args::{Cli, Command, GlobalArgs, parse};
pub use dispatch::run;
pub use exit::{CliError, Exit};
pub use password::read_new_password;
pub use sources::sources;
