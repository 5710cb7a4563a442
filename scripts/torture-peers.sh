#!/usr/bin/env bash
# The score card of this gateway, nginx and HAProxy in front of the same recorder, as a Markdown table. Run by
# `make torture-peers`; nginx and HAProxy must be installed (scripts/apt-install.sh nginx haproxy starts no service).
#
# The peers run as Debian ships them with the plain configuration that their manuals suggest: one prefix for everybody, one
# that needs the token, identity headers of strangers removed by name. HAProxy checks the token's signature, algorithm,
# issuer, audience and time; nginx knows no JWT, so it lets one token through, compared byte for byte. Everything listens on
# free loopback ports, and is gone afterwards.
#
#   GATEWARD=target/debug/gateward scripts/torture-peers.sh [--class CLASS]..
#
# CARDS=FOLDER keeps each card, with the lines of what did not pass.
set -euo pipefail

program=$(realpath "${GATEWARD:-${CARGO_TARGET_DIR:-target}/release/gateward}")
place=$(mktemp -d)
running=()

say() { printf 'torture-peers: %s\n' "$*" >&2; }
tidy() {
    local process
    for process in ${running[@]+"${running[@]}"}; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$place"
}
trap tidy EXIT

find_program() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" || { say "$1 is missing: apt-get install $1"; exit 1; }
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
declare -A given=()
# Sets `port`: not printed, so that the ports given are remembered.
free_port() {
    while :; do
        port=$((20000 + RANDOM % 10000))
        [ -z "${given[$port]:-}" ] || continue
        given[$port]=yes
        answers "$port" || return 0
    done
}
wait_for() {
    local try
    for try in $(seq 100); do
        answers "$1" && return 0
        sleep 0.1
    done
    say "nothing listens on port $1 after 10 s"
    cat "$place"/*.log >&2 || true
    exit 1
}
start() {
    local log=$1
    shift
    "$@" >"$place/$log.log" 2>&1 </dev/null &
    running+=($!)
}

nginx=$(find_program nginx) haproxy=$(find_program haproxy)
for name in upstream control gateward admin nginx_h1 nginx_h2 haproxy_h1 haproxy_h2; do
    free_port
    declare "$name=$port"
done
secret=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
umask 077
printf '%s' "$secret" >"$place/secret"

# The recorder and this gateway.
start recorder "$program" record --listen "127.0.0.1:$upstream" --control "127.0.0.1:$control"
configuration() {
    cat <<CONFIGURATION
[server]
listen = "127.0.0.1:$gateward"
admin_listen = "127.0.0.1:$admin"
data_dir = "$place/data"
$1
[token]
algorithm = "HS256"
secret = "$secret"
[[upstream]]
name = "recorder"
servers = ["127.0.0.1:$upstream"]
[[route]]
path = "/public"
upstream = "recorder"
access = "public"
[[route]]
path = "/private"
upstream = "recorder"
access = "authenticated"
CONFIGURATION
}
gateward_over=both
configuration 'h2c = true' >"$place/gateward.toml"
if ! "$program" --config "$place/gateward.toml" config check >/dev/null 2>&1; then
    say 'this build of the gateway speaks no HTTP/2 without TLS: HTTP/1.1 only'
    configuration '' >"$place/gateward.toml"
    gateward_over=h1
fi
say 'an account and a token'
od -An -N16 -tx1 /dev/urandom | tr -d ' \n' |
    "$program" --config "$place/gateward.toml" user create ann@example.com >"$place/account" 2>"$place/account.log"
subject=$(grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' "$place/account" | head -n 1)
"$program" --config "$place/gateward.toml" token mint --subject "$subject" --lifetime 1h >"$place/token"
start gateward "$program" --config "$place/gateward.toml" serve
token=$(cat "$place/token")

# nginx: https://nginx.org/en/docs/http/ngx_http_proxy_module.html
cat >"$place/nginx.conf" <<CONFIGURATION
$([ "$(id -u)" -ne 0 ] || echo 'user root;')
worker_processes 1;
daemon off;
pid $place/nginx.pid;
error_log $place/nginx-errors.log;
events { worker_connections 768; }
http {
    access_log off;
    client_body_temp_path $place/nginx-body;
    proxy_temp_path $place/nginx-proxy;
    fastcgi_temp_path $place/nginx-fastcgi;
    uwsgi_temp_path $place/nginx-uwsgi;
    scgi_temp_path $place/nginx-scgi;
    map_hash_bucket_size 4096;
    map \$http_authorization \$is_ann { default 0; "Bearer $token" 1; }
    upstream recorder { server 127.0.0.1:$upstream; keepalive 16; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host \$host;
    proxy_set_header X-Real-IP \$remote_addr;
    proxy_set_header X-Forwarded-For \$remote_addr;
    proxy_set_header X-Forwarded-Proto \$scheme;
    proxy_set_header X-Forwarded-Host \$host;
    server {
        listen 127.0.0.1:$nginx_h1;
        listen 127.0.0.1:$nginx_h2 http2;
        location /public {
            proxy_set_header X-Forwarded-User "";
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_pass http://recorder;
        }
        location /private {
            if (\$is_ann = 0) { return 401; }
            proxy_set_header X-Forwarded-User "ann";
            proxy_set_header Connection "";
            proxy_set_header Host \$host;
            proxy_pass http://recorder;
        }
        location / { return 404; }
    }
}
CONFIGURATION
start nginx "$nginx" -p "$place" -c "$place/nginx.conf"

# HAProxy: https://www.haproxy.com/blog/verify-oauth-jwt-tokens-with-haproxy
cat >"$place/haproxy.cfg" <<CONFIGURATION
global
    maxconn 1000
defaults
    mode http
    option forwardfor
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend clients
    bind 127.0.0.1:$haproxy_h1
    bind 127.0.0.1:$haproxy_h2 proto h2
    acl is_public path_beg /public
    acl is_private path_beg /private
    http-request return status 404 unless is_public or is_private
    http-request del-header X-Forwarded-User
    http-request del-header X-Forwarded-For
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-var(txn.bearer) http_auth_bearer if is_private
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('\$.alg') if is_private
    http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('\$.iss') if is_private
    http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('\$.aud') if is_private
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('\$.exp','int') if is_private
    http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('\$.sub') if is_private
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if is_private !{ var(txn.alg) -m str HS256 }
    http-request deny deny_status 401 if is_private !{ var(txn.iss) -m str gateward }
    http-request deny deny_status 401 if is_private !{ var(txn.aud) -m str gateward }
    http-request deny deny_status 401 if is_private { var(txn.exp),sub(txn.now) -m int lt 0 }
    http-request deny deny_status 401 if is_private !{ var(txn.bearer),jwt_verify(txn.alg,"$secret") -m int 1 }
    http-request set-header X-Forwarded-User %[var(txn.sub)] if is_private
    default_backend recorder
backend recorder
    server recorder 127.0.0.1:$upstream
CONFIGURATION
start haproxy "$haproxy" -db -f "$place/haproxy.cfg"

for port in "$upstream" "$control" "$gateward" "$nginx_h1" "$nginx_h2" "$haproxy_h1" "$haproxy_h2"; do wait_for "$port"; done

# card NAME PORT PROTOCOLS: appends the sums of its classes. A card with failures is no failure of ours.
card() {
    local name=$1 port=$2 over=$3 code=0
    shift 3
    say "$name over $over"
    "$program" torture "http://127.0.0.1:$port" --over "$over" --recorder "127.0.0.1:$control" --quiet \
        --token-file "$place/token" --secret-file "$place/secret" "$@" >"$place/card" 2>"$place/card.log" || code=$?
    if [ "$code" -gt 1 ] || ! grep -q '^CLASS  *SENT' "$place/card"; then
        cat "$place/card.log" >&2
        exit 1
    fi
    awk -v name="$name" '/^CLASS  *SENT/ { sums = 1; next } sums && NF { print name, $0 }' "$place/card" >>"$place/sums"
    [ -z "${CARDS:-}" ] || mkdir -p "$CARDS"
    [ -z "${CARDS:-}" ] || cp "$place/card" "$CARDS/$name-$over.txt"
}
card Gateward "$gateward" "$gateward_over" "$@"
card nginx "$nginx_h1" h1 "$@"
card nginx "$nginx_h2" h2 "$@"
card HAProxy "$haproxy_h1" h1 "$@"
card HAProxy "$haproxy_h2" h2 "$@"

printf 'Gateward %s, %s, %s; %s. Cells: pass / differs / fail (skipped).\n\n' \
    "$("$program" --version | awk '{ print $2 }')" \
    "$("$nginx" -v 2>&1 | sed 's/.*: //; s#/# #')" \
    "$("$haproxy" -v | awk 'NR == 1 { print "HAProxy", $3 }')" \
    "Gateward over $gateward_over, the others over both protocols"
# Fields: gateway, class, sent, pass, differs, fail, skipped, inapplicable.
awk '
    { if (!($2 in seen)) { seen[$2] = ++classes; names[classes] = $2 } }
    { for (i = 3; i <= 7; i++) sum[$1, $2, i] += $i }
    function cell(gateway, class,  skipped) {
        skipped = sum[gateway, class, 7]
        return sprintf("%d / %d / %d%s", sum[gateway, class, 4], sum[gateway, class, 5], sum[gateway, class, 6],
            skipped ? sprintf(" (%d)", skipped) : "")
    }
    function line(class) {
        printf "| %s | %s | %s | %s |\n", class, cell("Gateward", class), cell("nginx", class), cell("HAProxy", class)
    }
    END {
        print "| class | Gateward | nginx | HAProxy |"
        print "|---|---|---|---|"
        for (i = 1; i <= classes; i++) if (names[i] != "all") line(names[i])
        line("all")
    }' "$place/sums"
