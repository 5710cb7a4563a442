//! What a child process writes, line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The lines of standard output and standard error together, in the order in which they were read.
#[derive(Default)]
pub struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Reads the pipes of a child until it closes them.
    pub fn follow(&mut self, child: &mut Child) {
        if let Some(stdout) = child.stdout.take() {
            self.read(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            self.read(stderr);
        }
    }

    /// Waits for the rest, after the child has ended.
    pub fn finish(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panicked").clone()
    }

    fn read(&mut self, pipe: impl Read + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        self.readers.push(std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line).into_owned();
                lines.lock().expect("no reader panicked").push(line);
            }
        }));
    }
}
