//! An open file held in reserve, for when there are no others.
//!
//! Without one, a client that connects while the limit of open files is reached is neither served nor closed: it
//! waits in the system's queue until it gives up. Such a crowd is accepted into the spare file and closed, so that
//! each of them can try again elsewhere. That the limit is not reached in the first place is `app::files`' work.

use std::fs::File;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

/// Clients turned away at a time: then the listener looks again whether there are files.
const AT_A_TIME: usize = 100;
/// None waits any more.
const NOBODY: Duration = Duration::from_millis(1);

/// The reserve.
#[derive(Debug)]
pub struct SpareFile(Option<File>);

impl SpareFile {
    /// Takes it. Without one, which is no fault, nobody can be turned away.
    pub fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Closes the connections that wait, if the spare file is all there is. After an accept that failed.
    pub async fn turn_away(&mut self, listener: &TcpListener) {
        if let Ok(_another) = File::open("/dev/null") {
            // It failed for another reason, or there are files again.
            return;
        }
        for _ in 0..AT_A_TIME {
            self.0 = None;
            let waiting = timeout(NOBODY, listener.accept()).await;
            let more = matches!(waiting, Ok(Ok(_)));
            drop(waiting);
            *self = Self::new();
            if !more {
                return;
            }
        }
    }
}
