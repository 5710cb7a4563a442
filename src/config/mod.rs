//! Configuration: where values come from, and the checked [`Settings`] they become.

mod settings;

pub use settings::*;
