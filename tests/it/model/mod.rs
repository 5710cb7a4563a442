//! The protocol of the revocation feed, checked exhaustively within bounds: three replicas, their questions and
//! answers, a writer, and every placement of a few faults. `world` says what can happen, `feed` what must hold.

mod feed;
mod world;
