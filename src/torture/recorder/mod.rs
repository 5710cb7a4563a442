//! The recording upstream (`gateward record`): what did the service behind the gateway see?
//!
//! Deliberately lenient, as the worst service would be: it takes bare line feeds, any length that begins with
//! digits, and whatever follows a body for the next request, so that what was smuggled past a gateway shows as
//! a record of its own. It is no server for anything else.

mod control;
mod listen;
mod log;
mod reader;
mod upstream;

pub use listen::{Recorder, RecorderError};
pub use log::Record;

pub(super) use log::Page;
