#!/usr/bin/env bash
# Runs every test: library, program, tests/it, documentation. Arguments go to `cargo test`.
set -euo pipefail
# shellcheck source=scripts/find-servers.sh
. "$(dirname "${BASH_SOURCE[0]}")/find-servers.sh"

# At the end of PATH: the tests find the servers, and nothing that was there before changes its meaning.
postgres=$(postgres_bin_dir 15)
PATH=$PATH${postgres:+:$postgres} exec cargo test --locked "$@"
