#!/usr/bin/env bash
# pgbench's select-only script against PostgreSQL directly, through PgBouncer and through pgask, in one run on one
# machine; prints Markdown tables. Absolute figures differ between machines and minutes: compare within one run.
#
# Everything is started here, in a temporary directory, and removed at the end. Settings, by environment:
#   ROUNDS=3           rounds; the targets take turns within each, and a cell is the median over the rounds
#   SECONDS_EACH=5     length of one measurement
#   CLIENTS="1 32"     numbers of clients
#   MODES="simple extended prepared"
#   SCALE=10           pgbench's scale
#   PGASK=path         a binary to measure in place of a release build
#   OUT=file           where the tables go as well
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

ROUNDS=${ROUNDS:-3} SECONDS_EACH=${SECONDS_EACH:-5} CLIENTS=${CLIENTS:-1 32} SCALE=${SCALE:-10}
MODES=${MODES:-simple extended prepared}
POOL_SIZE=20

for name in ${!PG*}; do [ "$name" = PGASK ] || unset "$name"; done
bindir=$(scripts/ensure-postgres.sh --print)
have pgbench || PATH=$(pg_config --bindir 2>/dev/null || echo "$bindir"):$PATH
have pgbench || install postgresql-contrib postgresql-contrib postgresql-contrib - - postgresql-contrib
have pgbouncer || PATH=$PATH:/usr/sbin
have pgbouncer || install pgbouncer pgbouncer pgbouncer pgbouncer pgbouncer pgbouncer ||
    say "PgBouncer is not there and cannot be installed: its columns stay empty"
if [ -z "${PGASK:-}" ]; then
    cargo build --release --locked --bin pgask
    PGASK=${CARGO_TARGET_DIR:-target}/release/pgask
fi

# PostgreSQL and PgBouncer refuse to run as root.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pgask-bench.XXXXXX")
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown "$user" "$work"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    [ ! -d "$work/data" ] || "${as_user[@]}" "$bindir/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
direct_port=${DIRECT_PORT:-$(free_port)} pgbouncer_port=${PGBOUNCER_PORT:-$(free_port)} pgask_port=${PGASK_PORT:-$(free_port)}

# until_ready PORT LOG: waits for a login to work.
until_ready() {
    for _ in $(seq 150); do
        PGPASSWORD=bench psql -XAtq -h 127.0.0.1 -p "$1" -U bench -d bench -c 'SELECT 1' >/dev/null 2>&1 && return
        sleep 0.1
    done
    say "nothing answers on port $1:"
    tail -n 20 "$2" >&2
    exit 1
}

say "starting PostgreSQL"
"${as_user[@]}" sh -c "cd / && echo bench >'$work/pw' && HOME='$work' '$bindir/initdb' -D '$work/data' -U service \
    --pwfile='$work/pw' --auth-local=trust --auth-host=scram-sha-256 --no-sync --no-locale -E UTF8" >"$work/initdb.log"
cat >>"$work/data/postgresql.conf" <<CONF
port = $direct_port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
max_connections = 300
shared_buffers = 256MB
fsync = off
CONF
"${as_user[@]}" "$bindir/pg_ctl" -D "$work/data" -l "$work/postgres.log" -w start >/dev/null
psql -Xq -h "$work" -p "$direct_port" -U service -d postgres \
    -c "CREATE ROLE bench LOGIN PASSWORD 'bench'" -c "CREATE DATABASE bench OWNER bench"
PGPASSWORD=bench pgbench -h 127.0.0.1 -p "$direct_port" -U bench -i -q -s "$SCALE" bench >/dev/null 2>&1

targets=(direct)
pgbouncer_prepared=no
if have pgbouncer; then
    version=$(pgbouncer --version | sed -n 's/^PgBouncer \([0-9.]*\).*/\1/p')
    # 1.21 brought prepared statements in transaction pooling.
    [ "$(printf '1.21\n%s\n' "$version" | sort -V | head -n 1)" != 1.21 ] || pgbouncer_prepared=yes
    echo '"bench" "bench"' >"$work/userlist.txt"
    cat >"$work/pgbouncer.ini" <<CONF
[databases]
bench = host=127.0.0.1 port=$direct_port dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pgbouncer_port
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $work/userlist.txt
pool_mode = transaction
default_pool_size = $POOL_SIZE
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
$([ $pgbouncer_prepared = no ] || echo 'max_prepared_statements = 200')
CONF
    chmod 644 "$work/pgbouncer.ini" "$work/userlist.txt"
    "${as_user[@]}" pgbouncer -q "$work/pgbouncer.ini" >"$work/pgbouncer.log" 2>&1 &
    pids+=($!) pgbouncer_pid=$!
    until_ready "$pgbouncer_port" "$work/pgbouncer.log"
    targets+=(pgbouncer)
fi

cat >"$work/proxy.toml" <<CONF
[listen]
address = "127.0.0.1:$pgask_port"
[[upstream]]
url = "postgres://service:bench@127.0.0.1:$direct_port/postgres"
[pool]
default_pool_size = $POOL_SIZE
[log]
level = "warn"
CONF
"$PGASK" serve --config "$work/proxy.toml" >"$work/pgask.log" 2>&1 &
pids+=($!) pgask_pid=$!
until_ready "$pgask_port" "$work/pgask.log"
targets+=(pgask)

ticks=$(getconf CLK_TCK)
# The processor time a process has used so far, in clock ticks.
cpu() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# measure TARGET MODE CLIENTS: one line "tps ms" into the target's file; ms is CPU per 1,000 transactions.
measure() {
    local port="$1_port" pid="$1_pid" before=0 after=0 log="$work/pgbench.log"
    [ "$1" = direct ] || before=$(cpu "${!pid}")
    PGPASSWORD=bench pgbench -n -S -M "$2" -c "$3" -j "$(($3 < 2 ? 1 : 2))" -T "$SECONDS_EACH" \
        -h 127.0.0.1 -p "${!port}" -U bench bench >"$log" 2>&1 || { say "$1 $2 $3:"; cat "$log" >&2; exit 1; }
    [ "$1" = direct ] || after=$(cpu "${!pid}")
    awk -v ticks="$((after - before))" -v hz="$ticks" '
        /actually processed/ { n = $NF; sub("/.*", "", n) }
        /failed transactions/ { failed = $5 }
        /^tps =/ { tps = $3 }
        END {
            if (n == 0 || failed + 0 > 0) exit 1
            printf "%.0f %.1f\n", tps, ticks * 1000 / hz * 1000 / n
        }' "$log" >>"$work/$1.$2.$3" || { say "$1 $2 $3 had failures:"; cat "$log" >&2; exit 1; }
}

for round in $(seq "$ROUNDS"); do
    for mode in $MODES; do
        for clients in $CLIENTS; do
            say "round $round of $ROUNDS: $mode, $clients clients"
            for target in "${targets[@]}"; do
                [ "$target/$mode/$pgbouncer_prepared" != pgbouncer/prepared/no ] || continue
                measure "$target" "$mode" "$clients"
            done
        done
    done
done

# cell TARGET MODE CLIENTS COLUMN: the median over the rounds, or a dash.
cell() {
    [ -s "$work/$1.$2.$3" ] || { printf -- '-'; return; }
    cut -d' ' -f"$4" "$work/$1.$2.$3" | sort -n | awk '{ v[NR] = $1 } END { printf "%s", v[int((NR + 1) / 2)] }'
}

report() {
    printf 'pgbench select-only, scale %s, medians of %s rounds of %s s; pool of %s, transaction pooling, SCRAM login; %s; ' \
        "$SCALE" "$ROUNDS" "$SECONDS_EACH" "$POOL_SIZE" "$("$bindir/postgres" --version)"
    printf 'PgBouncer %s; %s; %s cores.\n\n' "${version:--}" "$("$PGASK" --version)" "$(nproc)"
    printf '| protocol, clients | direct tps | PgBouncer tps | pgask tps | PgBouncer CPU | pgask CPU |\n'
    printf '|---|--:|--:|--:|--:|--:|\n'
    for mode in $MODES; do
        for clients in $CLIENTS; do
            printf '| %s %s | %s | %s | %s | %s | %s |\n' "$mode" "$clients" \
                "$(cell direct "$mode" "$clients" 1)" "$(cell pgbouncer "$mode" "$clients" 1)" \
                "$(cell pgask "$mode" "$clients" 1)" "$(cell pgbouncer "$mode" "$clients" 2)" \
                "$(cell pgask "$mode" "$clients" 2)"
        done
    done
    printf '\nCPU is the proxy'"'"'s own, in milliseconds per 1,000 transactions.\n'
}
report | tee ${OUT:+"$OUT"}
