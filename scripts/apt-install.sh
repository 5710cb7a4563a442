#!/usr/bin/env bash
# Installs Debian or Ubuntu packages without questions and without starting a service. Run by scripts/setup.sh, as root.
#
#   scripts/apt-install.sh [--at-least=PACKAGE:MAJOR].. PACKAGE..
#
# postgresql would create and start a cluster, redis-server would start now and at every boot. The tests start servers of
# their own, so both are kept from it; whatever is put in place for that is taken away again.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d
readonly NO_CLUSTER=/etc/postgresql-common/createcluster.d/gateward-setup.conf
made=()

say() { printf 'setup: %s\n' "$*" >&2; }
tidy() { [ ${#made[@]} -eq 0 ] || rm -f "${made[@]}"; }
trap tidy EXIT
apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

floors=() packages=()
for argument in "$@"; do
    case "$argument" in
        --at-least=*) floors+=("${argument#--at-least=}") ;;
        *) packages+=("$argument") ;;
    esac
done

say 'apt-get update'
apt update -qq || say 'apt-get update had trouble; going on with the lists that are there'

# An old release offers an old version under the same name: say so before changing anything.
for floor in ${floors[@]+"${floors[@]}"}; do
    package=${floor%%:*} least=${floor#*:}
    # "5:7.0.15-1~deb12u4", "15+248": the major version is what follows the epoch.
    offered=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p')
    if [ "${offered:-0}" -lt "$least" ]; then
        say "$package $least or newer is needed; this system's archives offer ${offered:-none}."
        say 'Add https://wiki.postgresql.org/wiki/Apt or https://packages.redis.io to the package sources and run this again.'
        exit 1
    fi
done

if [ ! -e "$POLICY" ]; then
    made+=("$POLICY")
    printf '#!/bin/sh\n# Services may not be started while packages are installed.\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi
if [ ! -e "$NO_CLUSTER" ]; then
    made+=("$NO_CLUSTER")
    mkdir -p "$(dirname "$NO_CLUSTER")"
    printf 'create_main_cluster = false\n' >"$NO_CLUSTER"
fi

say "apt-get install ${packages[*]} (this takes a minute)"
log=$(mktemp)
made+=("$log")
apt install -y --no-install-recommends "${packages[@]}" >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}

# redis-server was wanted as a program, not as a service at every boot (with systemd or without).
for package in "${packages[@]}"; do
    [ "$package" = redis-server ] || continue
    deb-systemd-helper disable redis-server.service >/dev/null 2>&1 || true
    update-rc.d redis-server disable >/dev/null 2>&1 || true
done
