//! What operators do and see: the command line, the configuration, the log, the admin listener, the
//! documentation of the API. Each by running the program.

mod accounts;
mod admin;
mod admin_bounds;
mod command_line;
mod configuration;
mod keys;
mod migrations;
mod openapi;
mod outage;
mod prometheus;
mod secrets;
mod sessions;
mod starting;
mod tls;
mod tokens;
mod workplace;
