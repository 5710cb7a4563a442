//! Metrics: every name, label and unit in one place ([`families`]), the handles that count
//! ([`Metrics`]), and their Prometheus text form.
//!
//! Not global: a test or a second gateway in one process has its own. `docs/metrics.md` explains
//! each family to operators; a test holds the two together.

pub mod families;
mod process;
mod recorder;
mod register;
mod render;
mod routes;
mod stores;

pub use recorder::{Metrics, MetricsError};
pub use render::CONTENT_TYPE;
pub use routes::RouteMetrics;
pub use stores::StoreMetrics;
