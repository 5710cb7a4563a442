//! What must hold for every input, each stated once: the tests (`make test`) try random and kept inputs, the fuzz
//! targets (`make fuzz`) search for one that breaks it.
//!
//! Compiled for tests and for the fuzz targets only (feature `fuzzing`), inside the crate, so that nothing has to be
//! public for them. Each function takes an input as a file can hold it and panics when its property does not hold.

mod forwarding;
mod header_policy;
mod readings;
mod routing;
#[cfg(test)]
mod tests;

pub use forwarding::decided_is_forwarded;
pub use header_policy::{OURS, one_value_each, one_value_each_of};
pub use routing::{Rule, no_service_finds_another_route, routing_case};
