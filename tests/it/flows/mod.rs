//! What people and services experience, through the public door, a subject a file.

mod account_end;
mod algorithms;
mod bad_bodies;
mod closed_registration;
mod disabled_accounts;
mod durability;
mod ending_outage;
mod forged_claims;
mod forged_tokens;
mod login;
mod login_refusals;
mod logout;
mod logout_scopes;
mod own_sessions;
mod password_change;
mod passwords;
mod postgres_outage;
mod races;
mod redis_outage;
mod registration;
mod replicas;
mod stored_hashes;
