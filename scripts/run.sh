#!/usr/bin/env bash
# Starts the release build. UPSTREAM and ARGS come from the environment (make passes its variables on).
set -euo pipefail

program=${CARGO_TARGET_DIR:-target}/release/gateward
arguments=(serve)
[ -z "${UPSTREAM:-}" ] || arguments+=(--upstream "$UPSTREAM")
# exec: signals reach the gateway itself. ARGS is a list of words on purpose.
# shellcheck disable=SC2086
exec "$program" "${arguments[@]}" ${ARGS:-}
