#!/usr/bin/env bash
# Runs the fuzz targets (fuzz/README.md), one after the other, each for a bounded time:
#
#   scripts/fuzz.sh [TARGET..]     all of them without a name
#
# SECONDS_EACH=30   how long each target runs
# SANITIZER=none    `address` also watches memory, at half the speed: for the libraries, since our own code is safe Rust.
#                   It needs a nightly compiler, or a stable one that is told to act as one.
#
# Starts from the kept inputs (fuzz/corpus) and from what earlier runs found (fuzz/found, not in git). A broken property
# ends the run with its input in fuzz/artifacts. Installs cargo-fuzz under the target directory if it is missing; the
# first build compiles every dependency once more, instrumented (some minutes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VERSION=0.13.2 LONGEST_INPUT=16384
seconds=${SECONDS_EACH:-30} sanitizer=${SANITIZER:-none}
built=${CARGO_TARGET_DIR:-target}
case "$built" in /*) ;; *) built=$PWD/$built ;; esac
tools=$built/tools
PATH=$tools/bin:$PATH

say() { printf 'fuzz: %s\n' "$*" >&2; }

if ! command -v cargo-fuzz >/dev/null; then
    say "installing cargo-fuzz $VERSION into $tools"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" cargo-fuzz --version "$VERSION"
    rm -rf "$tools/build"
fi

# Coverage alone needs nothing that a stable compiler does not have; a sanitizer does.
if [ "$sanitizer" != none ]; then
    if cargo +nightly --version >/dev/null 2>&1; then
        export RUSTUP_TOOLCHAIN=nightly
    else
        export RUSTC_BOOTSTRAP=1
    fi
fi
# Ours, so that a CARGO_TARGET_DIR around us is not filled with instrumented builds.
unset CARGO_TARGET_DIR
options=(--sanitizer "$sanitizer" --target-dir "$built/fuzz-$sanitizer")

if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # one name a line, none with spaces
    set -- $(cargo fuzz list)
fi
say "building (sanitizer: $sanitizer); the first time takes some minutes"
cargo fuzz build "${options[@]}"

for target in "$@"; do
    say "$target: $seconds seconds"
    mkdir -p "fuzz/found/$target"
    # An input that takes longer than -timeout, or more memory than -rss_limit_mb, is a find like a broken property.
    cargo fuzz run "${options[@]}" "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len="$LONGEST_INPUT" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
        -verbosity=0
done
say 'no property was broken'
