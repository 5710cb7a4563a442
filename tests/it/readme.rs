//! The README cannot rot: its walkthrough is run, word for word, against the program.
//!
//! Convention: the walkthrough is the fenced block ```` ```sh walkthrough ````. It registers, logs in with
//! the token in a shell variable, and calls the protected service last. A ```` ```text ```` or
//! ```` ```json ```` block right behind it holds expected output, each line (`...` stands for anything)
//! to be found in what the commands print, whatever its spacing.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::app::AppBuilder;

/// Where `make run` listens, as the README writes it.
const DOCUMENTED: [&str; 2] = ["127.0.0.1:8080", "localhost:8080"];

/// A fenced code block.
#[derive(Debug, PartialEq)]
struct Block {
    info: String,
    text: String,
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("README.md is there")
}

fn code_blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        blocks.push(Block { info: info.trim().to_owned(), text: text.join("\n") });
    }
    blocks
}

/// The last top-level JSON object of an output that ends with one.
fn final_object(output: &str) -> Option<serde_json::Value> {
    output.match_indices('{').find_map(|(at, _)| serde_json::from_str(&output[at..]).ok())
}

/// The first word with an `@` between letters.
fn first_email(text: &str) -> Option<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "@.-_+".contains(c))).find(|word| {
        word.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'))
    })
}

/// Whether the parts of an expected line, split at `...`, are in the output, spacing aside.
fn shows(output: &str, line: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let output = bare(output);
    line.replace('…', "...").split("...").all(|part| output.contains(&bare(part)))
}

#[tokio::test]
async fn walkthrough_reaches_the_protected_service() {
    let blocks = code_blocks(&readme());
    let at = blocks.iter().position(|block| block.info == "sh walkthrough");
    let at = at.expect("README.md has a block ```sh walkthrough");
    let block = &blocks[at].text;
    let email = first_email(block).expect("the walkthrough registers an e-mail address");

    let app = AppBuilder::unconfigured().start().await;
    let address = app.address.to_string();
    let script = DOCUMENTED.iter().fold(block.clone(), |text, documented| text.replace(documented, &address));
    assert!(script.contains(&address), "the walkthrough calls {}", DOCUMENTED[0]);
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", app.working_dir())
        .env("NO_PROXY", "*")
        .current_dir(app.working_dir())
        .stdin(Stdio::null());
    // The program is a process of its own, so blocking this thread holds nobody up.
    let run = bash.output().expect("bash runs");
    let output = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{}\n{output}\n{errors}", run.status);

    let answer = final_object(&output).unwrap_or_else(|| panic!("no JSON at the end:\n{output}\n{errors}"));
    assert!(answer.get("method").is_some(), "the last call shows the demo service's answer: {answer}");
    let shown = answer.to_string().to_lowercase();
    assert!(
        shown.contains("x-forwarded-email") && shown.contains(&email.to_lowercase()),
        "the service learns who calls ({email}): {answer}"
    );
    if let Some(expected) = blocks.get(at + 1).filter(|next| next.info == "text" || next.info == "json") {
        for line in expected.text.lines() {
            assert!(shows(&output, line), "README.md promises `{line}`:\n{output}");
        }
    }
}

#[test]
fn readme_names_the_two_commands_and_they_exist() {
    let blocks = code_blocks(&readme());
    for target in ["run", "test"] {
        let command = format!("make {target}");
        let named = |block: &Block| block.text.lines().any(|line| line.trim().starts_with(&command));
        assert!(blocks.iter().any(named), "README.md has `{command}` in a code block");
        let output = Command::new("make")
            .args(["--dry-run", target])
            // A `make test` around us passes its own flags on.
            .env_remove("MAKEFLAGS")
            .env_remove("MFLAGS")
            .env_remove("MAKELEVEL")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .output()
            .expect("make is installed");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn readme_is_short() {
    let lines = readme().lines().count();
    assert!(lines < 200, "README.md has {lines} lines");
}

#[test]
fn code_blocks_are_found_with_their_info() {
    let markdown = "a\n```sh walkthrough\ncurl x\ny\n```\nb\n```\nz\n```\n";
    let expected = [("sh walkthrough", "curl x\ny"), ("", "z")];
    let expected = expected.map(|(info, text)| Block { info: info.to_owned(), text: text.to_owned() });
    assert_eq!(code_blocks(markdown), expected);
}

#[test]
fn output_is_read_as_promised() {
    assert_eq!(
        final_object("HTTP\n{\"a\":{}}\n{\"b\":{\"c\":1}}\n"),
        Some(serde_json::json!({"b": {"c": 1}}))
    );
    assert_eq!(final_object("{\"a\":1} and more"), None);
    assert_eq!(first_email(r#"curl -d '{"email":"ann@example.com"}' a@b"#), Some("ann@example.com"));
    assert!(shows("{\"a\":\"1\",\"b\":2}", "{ \"a\": \"...\", \"b\": 2 }"));
    assert!(!shows("{\"a\":1}", "\"b\": ..."));
}
