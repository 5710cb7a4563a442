//! Tests of [`super::load()`] as a whole, and of `config.toml`.
mod case;
mod config_toml;
mod layers;
mod rules;
mod secrecy;
mod tls;
mod upstream_tls;
