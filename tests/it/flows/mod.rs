//! What people and services experience, through the public door, a subject a file.

mod algorithms;
mod bad_bodies;
mod closed_registration;
mod disabled_accounts;
mod discovery;
mod durability;
mod forged_claims;
mod forged_tokens;
mod introspection;
mod login;
mod login_refusals;
mod logout;
mod passwords;
mod postgres_outage;
mod races;
mod redis_outage;
mod registration;
mod replicas;
mod revocation_feed;
mod revoked_tokens;
mod status_list;
mod stored_hashes;
mod token_endpoint;
