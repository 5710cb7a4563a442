//! The operating system's randomness, the only source of ids, salts and keys.

use super::AuthError;

/// `N` random bytes.
///
/// # Errors
/// [`AuthError::Internal`] when the operating system has none to give; nothing is done without.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], AuthError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| AuthError::Internal(format!("no randomness: {error}")))?;
    Ok(bytes)
}
