//! What every command needs before anything else.

use crate::app::AppError;

/// Installs the cryptographic providers. Several crates bring one; without a choice, the first use of TLS or of
/// a token could find none or two.
pub fn install_crypto() {
    // A second call in one process finds the same choice already made.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let _already = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

/// The proxy's runtime: work-stealing, `threads` workers.
pub fn proxy_runtime(threads: usize) -> Result<tokio::runtime::Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("gateward-proxy")
        .enable_all()
        .build()
        .map_err(|error| AppError::Failed(format!("no runtime: {error}")))
}
