#!/bin/sh
# Stops and removes what a test process started, once that process is gone.
#
# The test process holds the other end of our standard input. However it ends (success, panic, Ctrl-C,
# kill -9), the pipe closes, we read end-of-file, and clean up. Lines before that:
#
#   kill PID     end this process: TERM, and KILL if that does not help
#   forget PID   it is gone already; its number may be somebody else's soon
#   pg DIR       end the PostgreSQL server of this data directory, if one runs, with its backends
#   rm DIR       remove this directory; only names that hold "gateward-it-" are taken
#
# We run in a process group of our own and ignore the signals of a terminal, so that the Ctrl-C that
# ends the tests does not end us.

trap '' INT TERM HUP QUIT
set -f # no file name patterns in directory names
newline='
'
pids='' clusters='' directories=''

while IFS= read -r line; do
    value=${line#* }
    case $line in
        'kill '*) pids="$pids $value" ;;
        'forget '*)
            kept=''
            for pid in $pids; do
                [ "$pid" = "$value" ] || kept="$kept $pid"
            done
            pids=$kept
            ;;
        'pg '*) clusters="$clusters$value$newline" ;;
        'rm '*) directories="$directories$value$newline" ;;
    esac
done

# Whether a process runs. A zombie does not: it only waits for a parent that may never ask.
runs() {
    kill -0 "$1" 2>/dev/null || return 1
    [ -r "/proc/$1/stat" ] || return 0
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    case ${stat##*) } in Z* | X*) return 1 ;; esac
}

# Pairs "pid parent" of all processes. Not every Linux has ps, not every system has /proc.
processes() {
    if [ -r /proc/self/stat ]; then
        set +f
        for file in /proc/[0-9]*/stat; do
            { read -r stat <"$file"; } 2>/dev/null || continue
            rest=${stat##*) }          # after the name, which may hold anything: state, parent, ...
            rest=${rest#* }
            echo "${stat%% *} ${rest%% *}"
        done
        set -f
    else
        ps -A -o pid= -o ppid=
    fi
}

children() {
    processes | while read -r pid parent; do
        [ "$parent" = "$1" ] && echo "$pid"
    done
}

# A paused process (STOP) keeps every signal but KILL for later, hence CONT after each TERM.
for pid in $pids; do
    kill -TERM "$pid" 2>/dev/null
    kill -CONT "$pid" 2>/dev/null
done

saved_ifs=$IFS
IFS=$newline
postmasters=''
for directory in $clusters; do
    { read -r pid <"$directory/postmaster.pid"; } 2>/dev/null || continue
    case $pid in '' | *[!0-9]*) continue ;; esac
    postmasters="$postmasters $pid"
done
IFS=$saved_ifs
for pid in $postmasters; do
    backends=$(children "$pid")
    kill -QUIT "$pid" 2>/dev/null # "immediate": the data is thrown away anyhow
    for each in $pid $backends; do
        kill -CONT "$each" 2>/dev/null
    done
    pids="$pids $pid $backends"
done

rounds=0
while [ "$rounds" -lt 40 ]; do
    left=''
    for pid in $pids; do
        runs "$pid" && left="$left $pid"
    done
    [ -z "$left" ] && break
    [ "$rounds" -eq 30 ] && kill -KILL $left 2>/dev/null
    rounds=$((rounds + 1))
    sleep 0.05
done

IFS=$newline
for directory in $directories; do
    case $directory in
        /*gateward-it-*)
            # Twice: a process that was just killed may have been creating a file.
            rm -rf -- "$directory" 2>/dev/null || { sleep 0.2; rm -rf -- "$directory"; }
            ;;
    esac
done
