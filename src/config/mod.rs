//! Configuration: where values come from, and the checked [`Settings`] they become.
//!
//! A value may be given in several layers, and a later layer wins: built-in default, TOML file, `.env`,
//! environment, command-line flag. [`load()`] reads all of them and either returns [`Settings`] that passed
//! every check, or [`Problems`]: every mistake at once, each with its origin, key and remedy.
//!
//! The way of a value: `toml_layer` and `variables` turn each layer into a flat map from key (`server.listen`)
//! to the value as given (`given`); `reader` takes keys out of it, with a parser from `parse`, `address` or
//! `store_url`; `sections` says which keys exist; what nobody asked for is an unknown key (`unknown`).
//!
//! A mirror of the file derived with serde would be shorter, but it stops at the first mistake and knows
//! neither lines nor layers. That is why a reader with a parser per key was chosen.
//!
//! This module deliberately does not read the process environment or the command line (the caller passes
//! both, so tests run in parallel), does not connect to anything, and does not create files.

mod address;
mod given;
mod load;
mod parse;
mod problem;
mod reader;
mod secret;
mod sections;
mod settings;
mod shown;
mod store_url;
mod toml_layer;
mod unknown;
mod upstream;
mod variables;

#[cfg(test)]
mod tests;

pub use load::{Flag, Loaded, Sources, load};
pub use problem::{Origin, Problem, Problems};
pub use settings::*;
pub use shown::Shown;
pub use upstream::{ClientCertificate, UpstreamProtocol, UpstreamTls};
