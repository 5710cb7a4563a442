//! What an operator does to a [`TestApp`] from the command line, while it runs or not.

use std::io::Write;
use std::process::{Output, Stdio};

use super::app::TestApp;

impl TestApp {
    /// Runs a subcommand with this app's configuration, feeding it `input`; how it ended and what it said.
    pub async fn cli(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command
            .arg("--config")
            .arg(self.config_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        // On a thread of its own: the test's other tasks go on.
        let run = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().expect("the program starts");
            let mut stdin = child.stdin.take().expect("the pipe was asked for");
            stdin.write_all(input.as_bytes()).expect("the program takes its input");
            drop(stdin);
            child.wait_with_output().expect("the program can be waited for")
        });
        run.await.expect("the program was run")
    }

    /// The same for a subcommand that must succeed; what it wrote to standard output.
    ///
    /// # Panics
    /// With its words, when it fails.
    pub async fn cli_ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.cli(arguments, input).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {} {errors}", output.status);
        String::from_utf8(output.stdout).expect("output is text")
    }
}
