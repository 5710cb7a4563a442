//! What the flows stand on: the servers, the program under test, a recording upstream, raw clients.
#![allow(dead_code, reason = "a tool stays whole while no flow uses one of its handles")]

pub mod app;
pub mod app_cli;
pub mod app_config;
pub mod app_http;
pub mod app_refresh;
pub mod app_store;
pub mod both_kinds;
pub mod certificates;
pub mod cluster;
pub mod fault_link;
pub mod fault_proxy;
pub mod forge;
pub mod guard;
pub mod h2_service;
pub mod inflate;
pub mod oauth;
pub mod output;
pub mod ports;
pub mod postgres;
pub mod problems;
pub mod process;
pub mod programs;
pub mod raw;
pub mod recorder;
pub mod recorder_reply;
pub mod redis;
pub mod rust_source;
pub mod services;
pub mod tls;
pub mod tls_service;
pub mod visitors;
pub mod wait;
