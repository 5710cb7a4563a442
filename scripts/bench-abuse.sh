#!/usr/bin/env bash
# What good clients notice while others misbehave: slowhttptest (slow heads, slow bodies, slow readers) and h2load (HTTP/1.1
# and HTTP/2, in the clear and over TLS) against a release build in front of its demo service, all on loopback.
#
#   scripts/bench-abuse.sh [CONNECTIONS]     default 5000; each attack lasts 20 seconds
#
# Prints a table: the good client's p50 and p99 (one connection, one request after the other, from h2load's log), the gateway's
# resident memory before, at its highest, and after, and how the connections of the attack ended.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CONNECTIONS=${1:-5000} SECONDS_EACH=20
program=${CARGO_TARGET_DIR:-target}/release/gateward
dir=$(mktemp -d)
gateway=''
tidy() {
    [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap tidy EXIT
say() { printf 'bench-abuse: %s\n' "$*" >&2; }

# slowhttptest holds its sockets in one process.
ulimit -n "$(ulimit -Hn)"

start() { # start EXTRA_TOML; sets gateway, plain
    cat >"$dir/config.toml" <<TOML
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
data_dir = "$dir/data"
max_connections = 20000
max_connections_per_address = 20000
max_requests_per_connection = 0
$1
[log]
level = "warn,gateward::app=info"
format = "json"
TOML
    "$program" serve --config "$dir/config.toml" >"$dir/out" 2>"$dir/log" &
    gateway=$!
    local tries=0
    until grep -q '"ready"' "$dir/log"; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ] || ! kill -0 "$gateway" 2>/dev/null; then
            cat "$dir/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    address=$(sed -n 's/.*"listen":"\([^"]*\)".*/\1/p' "$dir/log" | head -1)
}

stop() {
    kill "$gateway"
    wait "$gateway" || true
    gateway=''
    rm -rf "$dir/data"
}

rss() { awk '/^VmRSS/ {printf "%d", $2 / 1024}' "/proc/$gateway/status"; }
peak() { awk '/^VmHWM/ {printf "%d", $2 / 1024}' "/proc/$gateway/status"; }

quantiles() { # of the third column (microseconds) of h2load's log
    sort -n -k3,3 "$1" | awk '{v[NR] = $3} END {
        if (NR == 0) { print "no answers"; exit }
        p50 = int(NR / 2); if (p50 < 1) p50 = 1
        p99 = int(NR * 0.99); if (p99 < 1) p99 = 1
        printf "%.2f, %.2f ms (%d)", v[p50] / 1000, v[p99] / 1000, NR
    }'
}

good() { # good SECONDS: the good client, on one connection
    rm -f "$dir/good.log"
    h2load --h1 -c 1 -m 1 -D "$1" --log-file="$dir/good.log" "http://$address/auth/openapi.json" >/dev/null
    quantiles "$dir/good.log"
}

row() { printf '| %s | %s | %s | %s |\n' "$@"; }

attack() { # attack NAME slowhttptest-arguments..
    local name=$1 before during ended
    shift
    before=$(rss)
    slowhttptest -c "$CONNECTIONS" -r 1000 -l "$SECONDS_EACH" -p 3 -v 1 "$@" >"$dir/slow" 2>&1 &
    local slow=$!
    sleep 2
    during=$(good 8)
    wait "$slow" || true
    ended=$(sed 's/\x1b\[[0-9;]*[mJH]//g' "$dir/slow" | awk '
        /^Test ended on/ {s = $0} /^Exit status:/ {s = s ", " tolower(substr($0, 14))} END {print s}')
    sleep 3
    row "$name" "$during" "$before, $(peak), $(rss)" "$ended"
}

load() { # load NAME URL h2load-arguments..: processor time of the gateway for each request
    local name=$1 url=$2 before after
    shift 2
    before=$(awk '{print $14 + $15}' "/proc/$gateway/stat")
    h2load -n 40000 "$@" "$url" >"$dir/load" 2>&1
    after=$(awk '{print $14 + $15}' "/proc/$gateway/stat")
    awk -v name="$name" -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        /^finished in/ {rate = $4} /^requests:/ {done = $8; failed = $10}
        END {printf "| %s | %s | %.1f us | %s |\n", name, rate, ticks * 1e6 / hz / (done > 0 ? done : 1), failed}' "$dir/load"
}

say "slow clients: $CONNECTIONS connections, $SECONDS_EACH seconds each"
start ''
url=http://$address/auth/openapi.json
echo '| attack | good client p50, p99 (answers) | gateway MiB before, highest, after | how the attack ended |'
echo '|---|---|---|---|'
row none "$(good 8)" "$(rss), $(peak), $(rss)" -
attack 'slow heads (-H)' -H -i 5 -u "$url"
attack 'slow bodies (-B)' -B -i 5 -s 8192 -u "http://$address/auth/login"
attack 'slow readers (-X)' -X -n 5 -w 512 -y 1024 -z 32 -k 3 -u "$url"
row 'none again' "$(good 8)" "$(rss), $(peak), $(rss)" -
stop

say 'load: 40 000 requests each for a page of the gateway itself'
start 'h2c = true'
echo
echo '| load | requests a second | processor time each | failed |'
echo '|---|---|---|---|'
load 'HTTP/1.1, 16 connections' "http://$address/.well-known/jwks.json" --h1 -c 16 -m 1
load 'HTTP/2, 16 connections, 1 stream' "http://$address/.well-known/jwks.json" -c 16 -m 1
load 'HTTP/2, 4 connections, 32 streams' "http://$address/.well-known/jwks.json" -c 4 -m 32
load 'HTTP/2, 1 connection, 100 streams' "http://$address/.well-known/jwks.json" -c 1 -m 100
stop
