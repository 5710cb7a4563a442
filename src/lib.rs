//! Gateward: an authentication gateway.

pub mod config;
pub mod domain;
pub mod gateway;
pub mod store;
