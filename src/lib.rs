//! Gateward: an authentication gateway.

pub mod actors;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod live;
pub mod store;
pub mod telemetry;
