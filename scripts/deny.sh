#!/usr/bin/env bash
# Checks the dependency tree against deny.toml: licences, sources and bans always; advisories where their database (a git
# repository) can be fetched or was fetched before. Installs cargo-deny under the target directory if it is missing
# (about two minutes on two cores).
set -euo pipefail

readonly VERSION=0.20.2 FETCH_SECONDS=60
tools=$PWD/${CARGO_TARGET_DIR:-target}/tools
case "${CARGO_TARGET_DIR:-}" in /*) tools=$CARGO_TARGET_DIR/tools ;; esac
PATH=$tools/bin:$PATH

say() { printf 'deny: %s\n' "$*" >&2; }

limited() { # limited SECONDS COMMAND..; macOS has no timeout(1), but perl
    if command -v timeout >/dev/null; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV' "$@"; fi
}

if ! command -v cargo-deny >/dev/null; then
    say "installing cargo-deny $VERSION into $tools"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" cargo-deny --version "$VERSION"
    rm -rf "$tools/build"
fi

# Doubled versions are listed by a plain `cargo deny check bans`; here they would bury the rest.
cargo deny --locked check --hide-inclusion-graph --allow duplicate licenses sources bans

databases=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
# A download that hangs counts as no database; a half-made one is taken away again.
export GIT_TERMINAL_PROMPT=0
if limited "$FETCH_SECONDS" cargo deny --locked fetch db >/dev/null 2>&1; then
    cargo deny --locked check --hide-inclusion-graph advisories
elif compgen -G "$databases/*/crates" >/dev/null; then
    say 'the advisory database could not be refreshed; using the copy that is there'
    cargo deny --locked --offline check --hide-inclusion-graph advisories
else
    say 'SKIPPED: advisories. Their database (https://github.com/RustSec/advisory-db) cannot be reached from here.'
fi
