//! Why a handshake failed, in the words of the metric.

use std::io;

use rustls::{AlertDescription, Error, PeerIncompatible};

use crate::telemetry::HandshakeFailure;

/// The reason behind an error of the handshake.
pub(super) fn reason(error: &io::Error) -> HandshakeFailure {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return HandshakeFailure::ClientGone;
    };
    match error {
        Error::NoCertificatesPresented => HandshakeFailure::NoClientCertificate,
        Error::InvalidCertificate(_) => HandshakeFailure::BadClientCertificate,
        Error::PeerIncompatible(why) => match why {
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::ServerDoesNotSupportTls12Or13 => HandshakeFailure::Version,
            _ => HandshakeFailure::NothingInCommon,
        },
        Error::NoApplicationProtocol => HandshakeFailure::NothingInCommon,
        Error::AlertReceived(AlertDescription::CloseNotify) => HandshakeFailure::ClientGone,
        Error::AlertReceived(_) => HandshakeFailure::RefusedByClient,
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::PeerMisbehaved(_) => {
            HandshakeFailure::Malformed
        }
        _ => HandshakeFailure::Other,
    }
}
