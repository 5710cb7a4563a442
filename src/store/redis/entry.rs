//! A revocation as an entry of the stream: its id is `{number}-0`, its fields one letter each.

use redis::{Cmd, Value};

use super::error::corrupt;
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::{EndReason, StatusIndex};
use crate::store::StoreError;

/// Entries that the stream keeps, about: whoever is further behind reads the durable store.
const KEPT: u32 = 10_000;

/// The command that adds it. Redis refuses it when its number is not above all that the stream ever had.
pub(super) fn add(key: &str, revocation: &Revocation) -> Cmd {
    let mut command = redis::cmd("XADD");
    command.arg(key).arg("MAXLEN").arg("~").arg(KEPT).arg(format!("{}-0", revocation.number));
    command.arg("e").arg(revocation.forget_at.unix_millis());
    command.arg("a").arg(revocation.revoked_at.unix_millis());
    command.arg("r").arg(revocation.reason.as_str());
    match &revocation.revoked {
        Revoked::Session { id, status_index } => {
            command.arg("s").arg(id.to_string());
            if let Some(index) = status_index {
                command.arg("i").arg(index.0);
            }
        }
        Revoked::Key { kid } => {
            command.arg("k").arg(kid);
        }
    }
    command
}

/// The entries of an `XRANGE`, in order.
pub(super) fn read_all(entries: Value) -> Result<Vec<Revocation>, StoreError> {
    match entries {
        Value::Nil => Ok(Vec::new()),
        Value::Array(entries) => entries.into_iter().map(read).collect(),
        _ => Err(strange("no list of entries")),
    }
}

/// The entries of an `XREAD` of one stream.
pub(super) fn read_stream(streams: Value) -> Result<Vec<Revocation>, StoreError> {
    match streams {
        Value::Nil => Ok(Vec::new()),
        Value::Array(mut streams) => match (streams.pop(), streams.is_empty()) {
            (Some(Value::Array(mut stream)), true) => read_all(stream.pop().unwrap_or_default()),
            _ => Err(strange("no answer for one stream")),
        },
        _ => Err(strange("no list of streams")),
    }
}

fn read(entry: Value) -> Result<Revocation, StoreError> {
    let (id, fields): (String, Vec<String>) =
        redis::from_redis_value(entry).map_err(|_| strange("an entry is no id with fields"))?;
    let number = id.strip_suffix("-0").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| strange("an entry's id is no number"))?;
    let field = |name: &str| {
        let mut pairs = fields.chunks_exact(2);
        pairs.find_map(|pair| match pair {
            [field, value] if field == name => Some(value.as_str()),
            _ => None,
        })
    };
    let moment = |name: &str| {
        let millis = field(name).and_then(|millis| millis.parse().ok());
        millis.map(Timestamp::from_unix_millis).ok_or_else(|| strange("an entry lacks a time"))
    };
    let session = field("s").map(str::parse::<SessionId>).transpose();
    let revoked = match (session.map_err(|_| strange("an entry's session is no id"))?, field("k")) {
        (Some(id), None) => {
            let index = field("i").map(str::parse).transpose();
            let index: Option<i64> = index.map_err(|_| strange("an entry's status index is no number"))?;
            Revoked::Session { id, status_index: index.map(StatusIndex) }
        }
        (None, Some(kid)) => Revoked::Key { kid: kid.to_owned() },
        (Some(_), Some(_)) | (None, None) => return Err(strange("an entry of neither a session nor a key")),
    };
    Ok(Revocation {
        number,
        revoked,
        forget_at: moment("e")?,
        revoked_at: moment("a")?,
        reason: EndReason::parse(field("r").ok_or_else(|| strange("an entry without a reason"))?),
    })
}

fn strange(what: &str) -> StoreError {
    corrupt(format!("the stream of revocations: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(word: &str) -> Value {
        Value::BulkString(word.as_bytes().to_vec())
    }

    fn entry(id: &str, fields: &[&str]) -> Value {
        Value::Array(vec![text(id), Value::Array(fields.iter().map(|field| text(field)).collect())])
    }

    const SESSION: &str = "01234567-89ab-7fff-bfff-ffffffffffff";

    #[test]
    fn an_entry_is_read() {
        let session = entry("7-0", &["e", "9", "a", "8", "r", "logout", "s", SESSION, "i", "3"]);
        let key = entry("8-0", &["e", "9", "a", "8", "r", "key_retired", "k", "kid"]);
        let read = read_stream(Value::Array(vec![Value::Array(vec![
            text("revocations"),
            Value::Array(vec![session, key]),
        ])]))
        .unwrap();
        assert_eq!(read.iter().map(|revocation| revocation.number).collect::<Vec<_>>(), [7, 8]);
        let index = Some(StatusIndex(3));
        assert_eq!(read[0].revoked, Revoked::Session { id: SESSION.parse().unwrap(), status_index: index });
        assert_eq!(read[1].revoked, Revoked::Key { kid: "kid".to_owned() });
        assert_eq!(read[0].forget_at, Timestamp::from_unix_millis(9));
        assert_eq!(read[1].reason, EndReason::KeyRetired);
        assert_eq!(read_stream(Value::Nil).unwrap(), []);
    }

    #[test]
    fn what_is_no_entry_of_ours_is_corrupt() {
        for entry in [
            entry("7-1", &["e", "9", "a", "8", "r", "logout", "s", SESSION]),
            entry("x-0", &["e", "9", "a", "8", "r", "logout", "s", SESSION]),
            entry("7-0", &["a", "8", "r", "logout", "s", SESSION]),
            entry("7-0", &["e", "9", "a", "8", "s", SESSION]),
            entry("7-0", &["e", "9", "a", "8", "r", "logout"]),
            entry("7-0", &["e", "9", "a", "8", "r", "logout", "s", "nobody"]),
            entry("7-0", &["e", "9", "a", "8", "r", "logout", "s", SESSION, "k", "kid"]),
            Value::Okay,
        ] {
            let read = read_all(Value::Array(vec![entry.clone()]));
            assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{entry:?}");
        }
    }
}
