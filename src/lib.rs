//! Gateward: an authentication gateway in front of HTTP services.
//!
//! It registers people, logs them in, ends their sessions, and lets a request through to a service only
//! when it carries a token that is valid *now*. It issues tokens and verifies them in one process, so ending
//! a session is a write to local memory that every later request reads.
//!
//! # The map
//!
//! | module | what is there | may import |
//! |---|---|---|
//! | [`domain`] | the rules, pure: no I/O, no clock, no randomness | nothing of ours |
//! | [`config`] | where values come from; the checked settings | `domain` |
//! | [`store`] | two kinds of durable and shared store behind one contract | `domain`, settings |
//! | [`live`] | what a request may read without waiting; the token check | `domain` |
//! | [`actors`] | the part that may wait: accounts, sessions, hashing, revocations, keys | `store`, `live`, `config`, `domain`, `telemetry` |
//! | [`api`] | `/auth/*`, keys, docs; the admin and demo routers (axum) | `actors`, `live`, `domain`, `telemetry` |
//! | [`gateway`] | the proxy (pingora): edge, admission, headers, upstreams | `api`, `actors`, `live`, `domain`, `telemetry`, settings |
//! | [`telemetry`] | log lines and metrics, every name in one place | nothing of ours |
//! | [`app`] | puts it together; start and stop order | everything |
//! | [`torture`] | attacks on a gateway, this one or another; its recording upstream | `domain` |
//! | [`loadtest`] | load on a gateway, this one or another; checks every answer | `domain` |
//! | [`cli`] | the command line | `app`, `config`, `domain`, `torture`, `loadtest` |
//!
//! `tests/it/architecture.rs` fails on a broken rule.
//!
//! # The way of a request to a service
//!
//! [`gateway::Edge`] admits the connection and reads the request's head, with one deadline, judging the raw
//! bytes ([`gateway::request::CanonicalRequest`]; 400 on ambiguity). The very same bytes go to pingora.
//! [`gateway::Admission`] finds the route (unknown: refused) and has the token checked
//! ([`live::TokenCheck`]: cache or signature, then time, key ring, revocations), and enters it among those that
//! end with their session ([`live::OpenRequests`]). Only its [`gateway::Admitted`] leads to a service; inbound
//! identity headers are stripped and ours set ([`gateway::headers`]); one log line, one count.
//!
//! # The way of a login
//!
//! Same edge; `/auth/*` goes to the [`api`] router in process. A handler turns the body into checked types and
//! calls [`actors::AuthHandle`], which takes a permit or answers 503 at once. A job charges the
//! attempt to its buckets ([`domain::attempts`]; one too many is a 429), looks the account up, has the password checked
//! in the hash pool (unknown people cost the same), commits the session, mints the token.
//!
//! # The way of a refresh
//!
//! The handler parses the token, a job computes a possible successor, and the store asks
//! [`domain::refresh::judge`] in a transaction: hand over, tell the same successor again, end the session, or
//! refuse. Only hashes reach the store; the texts stay between the job and the client.
//!
//! # Reading order
//!
//! [`domain::token`], [`live::TokenCheck`], [`gateway::Admission`], [`gateway::Edge`]; then
//! [`actors`] and [`store`].

pub mod actors;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod live;
pub mod loadtest;
pub mod store;
pub mod telemetry;
pub mod torture;
