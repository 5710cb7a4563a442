#!/usr/bin/env bash
# Installs what is missing, and only that:
#
#   scripts/setup.sh build   cmake, a C compiler (the compression library of the proxy is C), curl
#   scripts/setup.sh test    the same, and the server programs of PostgreSQL 15+ and Redis 7+
#   scripts/setup.sh fuzz    the first, and a C++ compiler (the fuzzing engine is C++)
#   scripts/setup.sh abuse   the first, slowhttptest and h2load
#   scripts/setup.sh guard   the first, and valgrind
#   scripts/setup.sh peers   the first, nginx and HAProxy (2.6 or newer)
#   scripts/setup.sh bench-peers   nginx, and as far as they can be had: HAProxy, Redis, and in target/ a Python
#                            environment with FastAPI
#
# On Debian and Ubuntu with apt-get (as root or through sudo), on macOS with Homebrew. On other systems it names what
# to install. Nothing is started: the tests run servers of their own in a temporary directory.
set -euo pipefail

readonly POSTGRES_MIN=15 REDIS_MIN=7
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/find-servers.sh
. "$here/find-servers.sh"

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

main() {
    case "${1:-}" in
        build)
            want_cargo
            want_build
            ;;
        test)
            want_cargo
            want_build
            want_servers
            ;;
        fuzz)
            want_cargo
            want_build
            want_cxx
            ;;
        abuse)
            want_cargo
            want_build
            want_programs slowhttptest h2load
            ;;
        guard)
            want_cargo
            want_build
            want_programs valgrind
            ;;
        peers)
            want_cargo
            want_build
            want_programs nginx haproxy
            ;;
        bench-peers)
            want_cargo
            want_build
            want_programs nginx
            # In subshells: whoever has no HAProxy, Redis or Python compares with the others.
            (want_programs haproxy) || say 'goes on without HAProxy'
            (want_programs redis-server && want_python) || say 'goes on without the FastAPI checker'
            ;;
        *) die 'usage: scripts/setup.sh build|test|fuzz|abuse|guard|peers|bench-peers' ;;
    esac
}

want_cargo() {
    command -v cargo >/dev/null || die "cargo is not found, neither in PATH nor in ~/.cargo/bin. Install Rust 1.92 or newer \
(https://rustup.rs), then run this again."
}

# Debian keeps servers in /usr/sbin, which is not in everybody's PATH.
want_programs() {
    local program missing=()
    for program in "$@"; do
        PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || install_missing "${missing[@]}"
}

# A Python environment of its own, where cargo clean removes it.
want_python() {
    local place=${CARGO_TARGET_DIR:-target}/peers-python
    [ ! -x "$place/bin/uvicorn" ] || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_missing python || return 1
    say "installing FastAPI and what it needs into $place"
    python3 -m venv "$place" && "$place/bin/pip" install --quiet --requirement "$here/../benches/peers/requirements.txt"
}

want_build() {
    local missing=()
    command -v cmake >/dev/null || missing+=(cmake)
    c_compiler_works || missing+=(c-compiler)
    command -v curl >/dev/null || missing+=(curl)
    [ ${#missing[@]} -gt 0 ] || return 0
    install_missing "${missing[@]}"
    command -v cmake >/dev/null || die 'cmake is still not found in PATH'
    c_compiler_works || die 'cc still cannot compile and link a C program'
}

# A compiler without the C library's headers is there on many machines and fails late, so try it.
c_compiler_works() {
    local dir works=no
    command -v cc >/dev/null || return 1
    dir=$(mktemp -d)
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$dir/try.c"
    cc -o "$dir/try" "$dir/try.c" >/dev/null 2>&1 && works=yes
    rm -rf "$dir"
    [ "$works" = yes ]
}

want_cxx() {
    cxx_compiler_works || install_missing c++-compiler
    cxx_compiler_works || die 'c++ still cannot compile and link a C++ program'
}

cxx_compiler_works() {
    local dir works=no
    command -v c++ >/dev/null || return 1
    dir=$(mktemp -d)
    printf '#include <string>\nint main() { return std::string("x").size() != 1; }\n' >"$dir/try.cc"
    c++ -o "$dir/try" "$dir/try.cc" >/dev/null 2>&1 && works=yes
    rm -rf "$dir"
    [ "$works" = yes ]
}

want_servers() {
    local missing=()
    [ -n "$(postgres_bin_dir "$POSTGRES_MIN")" ] || missing+=(postgresql)
    [ -n "$(redis_server "$REDIS_MIN")" ] || missing+=(redis)
    [ ${#missing[@]} -gt 0 ] || return 0
    install_missing "${missing[@]}"
    [ -n "$(postgres_bin_dir "$POSTGRES_MIN")" ] || die "PostgreSQL $POSTGRES_MIN or newer is needed for the tests and was not \
found after the installation. PostgreSQL's own packages: https://www.postgresql.org/download/"
    [ -n "$(redis_server "$REDIS_MIN")" ] || die "Redis $REDIS_MIN or newer is needed for the tests and was not found after \
the installation. Redis' own packages: https://redis.io/docs/latest/operate/oss_and_stack/install/"
}

# --- installing -------------------------------------------------------------------------------------------------------

install_missing() {
    say "missing: $*"
    if command -v apt-get >/dev/null; then
        install_with_apt "$@"
    elif command -v brew >/dev/null; then
        install_with_brew "$@"
    elif [ "$(uname -s)" = Darwin ]; then
        die 'Homebrew is not found. Install it (https://brew.sh) and run this again.'
    else
        die "no apt-get and no Homebrew here. Install by hand and run this again: cmake, a C compiler with its headers, curl; \
for the tests also PostgreSQL $POSTGRES_MIN+ (server programs) and Redis $REDIS_MIN+; for the fuzz targets a C++ compiler."
    fi
}

install_with_apt() {
    local what packages=() floors=()
    for what in "$@"; do
        case "$what" in
            cmake) packages+=(cmake) ;;
            c-compiler) packages+=(gcc libc6-dev) ;;
            c++-compiler) packages+=(g++ libc6-dev) ;;
            curl) packages+=(curl ca-certificates) ;;
            postgresql) packages+=(postgresql) floors+=("postgresql:$POSTGRES_MIN") ;;
            slowhttptest | haproxy | redis-server | valgrind) packages+=("$what") ;;
            python) packages+=(python3-venv) ;;
            h2load) packages+=(nghttp2-client) ;;
            nginx) packages+=(nginx-light) ;;
            redis) packages+=(redis-server) floors+=("redis-server:$REDIS_MIN") ;;
        esac
    done
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "run as root, or with sudo: apt-get install ${packages[*]}"
        root=(sudo)
        [ -z "${CI:-}" ] || root+=(-n)
        say "installing with sudo: ${packages[*]}"
    else
        say "installing: ${packages[*]}"
    fi
    # The expansion with + keeps bash before 4.4 content with an empty list.
    ${root[@]+"${root[@]}"} bash "$here/apt-install.sh" ${floors[@]+"${floors[@]/#/--at-least=}"} "${packages[@]}"
}

install_with_brew() {
    local what formulae=()
    for what in "$@"; do
        case "$what" in
            c-compiler | c++-compiler) die 'no working C or C++ compiler: run "xcode-select --install", then this again' ;;
            h2load) formulae+=(nghttp2) ;;
            redis-server) formulae+=(redis) ;;
            postgresql) formulae+=("postgresql@17") ;;
            *) formulae+=("$what") ;;
        esac
    done
    say "installing: brew install ${formulae[*]}"
    HOMEBREW_NO_AUTO_UPDATE=1 brew install "${formulae[@]}"
}

main "$@"
