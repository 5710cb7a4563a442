//! `gateward loadtest`

mod args;
mod run;
mod shown;
mod tokens;

pub use args::LoadtestArgs;
pub use run::run;
