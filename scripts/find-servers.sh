# shellcheck shell=bash
# Where the server programs of PostgreSQL and Redis are. To be sourced; each prints nothing when there is none
# that is new enough. Linux distributions and Homebrew keep PostgreSQL's programs outside PATH, one folder a version.

# postgres_bin_dir MIN: the folder with initdb, pg_ctl and postgres of the newest major version >= MIN.
postgres_bin_dir() {
    local min=$1 dir major best='' best_major=0
    local dirs=(/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin)
    command -v initdb >/dev/null && dirs+=("$(dirname "$(command -v initdb)")")
    for dir in "${dirs[@]}"; do
        if [ ! -x "$dir/initdb" ] || [ ! -x "$dir/postgres" ]; then continue; fi
        # "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"
        major=$("$dir/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([0-9]*\).*/\1/p')
        if [ "${major:-0}" -ge "$min" ] && [ "${major:-0}" -gt "$best_major" ]; then
            best=$dir best_major=$major
        fi
    done
    printf '%s' "$best"
}

# redis_server MIN: redis-server in PATH, if its major version is >= MIN.
redis_server() {
    local min=$1 program major
    program=$(command -v redis-server) || return 0
    # "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=..."
    major=$("$program" --version 2>/dev/null | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
    [ "${major:-0}" -lt "$min" ] || printf '%s' "$program"
}
