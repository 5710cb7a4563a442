//! The gateway under attack, and how requests of the engine's own are sent to it.

use std::time::Duration;

use super::case::{Case, Protocol};
use super::client::{Connector, Outcome, body_of, exchange, talk};
use super::concrete::{Concrete, Send};
use super::options::Options;
use super::placeholders::Words;
use super::public_key::PublicKey;
use super::token::Mint;

/// For a case, connecting not included.
const DEADLINE: Duration = Duration::from_millis(2500);

/// For the good request afterwards.
const NEXT_DEADLINE: Duration = Duration::from_secs(2);

/// The gateway and what cases are filled in with.
pub(super) struct Gateway {
    /// Makes connections to it.
    pub connector: Connector,
    /// The prefix that anybody may use.
    pub public: String,
    /// The prefix that needs a token.
    pub protected: String,
    /// Its authority.
    pub host: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Seconds since 1970.
    pub now: i64,
    /// What tokens are made from.
    pub mint: Mint,
}

impl Gateway {
    /// Of the options, without its public key.
    pub(super) fn new(options: &Options, connector: Connector) -> Self {
        use secrecy::ExposeSecret;
        let prefix = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            connector,
            public: prefix(&options.public),
            protected: prefix(&options.protected),
            host: options.target.authority(),
            scheme: options.target.scheme(),
            now: options.now,
            mint: Mint {
                valid: options.token.as_ref().map(|token| token.expose_secret().trim().to_owned()),
                secret: options.secret.as_ref().map(|secret| secret.expose_secret().to_vec()),
                public_key: None,
            },
        }
    }

    /// The words of a request.
    pub(super) fn words<'a>(&'a self, value: &'a str, canary: &'a str) -> Words<'a> {
        Words {
            public: &self.public,
            protected: &self.protected,
            host: &self.host,
            scheme: self.scheme,
            token: "",
            value,
            canary,
            now: self.now,
        }
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(&self, send: &Send) -> Outcome {
        let over = match send {
            Send::H1(_) => Protocol::H1,
            Send::H2(_) => Protocol::H2,
        };
        let stream = match self.connector.dial(over).await {
            Ok(stream) => stream,
            Err(error) => return Outcome::unreachable(error),
        };
        match send {
            Send::H1(bytes) => exchange(stream, bytes, DEADLINE).await.0,
            Send::H2(frames) => talk(stream, frames, DEADLINE).await,
        }
    }

    /// Sends a good request to the public prefix.
    pub(super) async fn good(&self, over: Protocol, canary: &str) -> Outcome {
        let case = plain("{public}/next?canary={canary}", &[]);
        let sending = self.own(&case, over, canary);
        let late = Outcome::unreachable(format!("nothing within {NEXT_DEADLINE:?}"));
        tokio::time::timeout(NEXT_DEADLINE, sending).await.unwrap_or(late)
    }

    /// Sends a request to the protected prefix, with the token or without.
    pub(super) async fn protected(&self, over: Protocol, canary: &str, with_token: bool) -> Outcome {
        let authorization = ("Authorization".to_owned(), "Bearer {token}".to_owned());
        let headers = if with_token { vec![authorization] } else { Vec::new() };
        self.own(&plain("{protected}/next?canary={canary}", &headers), over, canary).await
    }

    async fn own(&self, case: &Case, over: Protocol, canary: &str) -> Outcome {
        match Concrete::of(case, over, &self.words("", canary), &self.mint) {
            Ok(concrete) => self.send(&concrete.send).await,
            Err(missing) => Outcome::unreachable(missing),
        }
    }

    /// The first key of `/.well-known/jwks.json`, if there is one.
    pub(super) async fn public_key(&self) -> Option<PublicKey> {
        let case = plain("/.well-known/jwks.json", &[]);
        let concrete = Concrete::of(&case, Protocol::H1, &self.words("", "jwks"), &self.mint).ok()?;
        let Send::H1(bytes) = &concrete.send else { return None };
        let stream = self.connector.dial(Protocol::H1).await.ok()?;
        let (_, received) = exchange(stream, bytes, DEADLINE).await;
        PublicKey::of_set(body_of(&received)?)
    }
}

/// A GET of the engine's own.
fn plain(target: &str, headers: &[(String, String)]) -> Case {
    Case { target: Some(target.to_owned()), headers: headers.to_vec(), ..Case::default() }
}
