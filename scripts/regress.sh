#!/usr/bin/env bash
# PostgreSQL's own regression suite, directly and through pgask, compared test by test.
#
#   scripts/regress.sh [--pool N] [--schedule parallel|serial] [--mode auto|session|transaction]
#                      [--runs N] [--tests "boolean guc ..."] [--source DIR] [--out DIR]
#
#   --pool N        server connections in pgask's pool, at most (20)
#   --schedule S    "parallel" runs the suite's groups of up to 20 tests at once; "serial" one test after another
#   --mode M        pgask's pool mode (auto)
#   --runs N        runs through pgask, each compared with the one direct run (1)
#   --tests "..."   only these tests, each of the suite's groups once more for itself; test_setup is always run
#   --source DIR    the src/test/regress of a PostgreSQL source tree of the installed major version; without it
#                   the distribution's source package is fetched, with apt-get
#   --out DIR       where results and differences are kept (target/regress/out)
#
# PGASK=path takes a binary in place of a release build. Everything else is made here: a PostgreSQL for each run, all
# copies of one cluster, so that both runs begin alike; the suite's C functions, from the server's header package; and
# pgask. Nothing of it is left running. What a test writes is compared byte by byte; whether it is also what the suite
# expects is told beside it. Exit status 0 when no test differs.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

pool=20 schedule=parallel mode=auto runs=1 tests="" source="" target=${CARGO_TARGET_DIR:-target}
out=""
usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | sed '$d'; exit "$1"; }
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage 0 ;;
    --pool | --schedule | --mode | --runs | --tests | --source | --out)
        [ $# -ge 2 ] || usage 2 >&2
        declare "${1#--}=$2"
        shift 2
        ;;
    *) usage 2 >&2 ;;
    esac
done
case $schedule in parallel) at_once=20 ;; serial) at_once=1 ;; *) usage 2 >&2 ;; esac
mkdir -p "$target/regress"
target=$(realpath "$target")
out=$(realpath -m "${out:-$target/regress/out}")

for name in ${!PG*}; do [ "$name" = PGASK ] || unset "$name"; done
bindir=$(scripts/ensure-postgres.sh --print)
have pg_config && [ "$(pg_config --bindir)" != "$bindir" ] && config_bindir=$(pg_config --bindir) || config_bindir=$bindir
[ -x "$config_bindir/initdb" ] && bindir=$config_bindir
installed=$("$bindir/postgres" --version | sed -E 's/^[^0-9]*([0-9]+\.[0-9]+).*/\1/')
major=${installed%%.*}
libdir=$("$bindir/pg_config" --pkglibdir)
pg_regress=$(ls "$libdir/pgxs/src/test/regress/pg_regress" "$(dirname "$libdir")"/lib*/pgxs/src/test/regress/pg_regress \
    2>/dev/null | head -n 1 || true)
[ -n "$pg_regress" ] || { say "PostgreSQL $major is installed without pg_regress"; exit 1; }
have cc || install gcc gcc "gcc musl-dev" - gcc gcc || { say "the suite's C functions need a C compiler"; exit 1; }
have curl || install curl curl curl curl curl curl || true

# ---- The suite

kept=$target/regress/suite-$major
apt_dir=""
# A list of packages of our own beside the system's, with the sources of its packages in it; needs no rights.
apt_own() {
    [ -z "$apt_dir" ] || return 0
    have apt-get || { say "without apt-get the suite must be given: --source DIR"; exit 1; }
    apt_dir=$target/regress/apt
    mkdir -p "$apt_dir/sources" "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        grep -qsE 'debian\.org|ubuntu\.com|postgresql\.org' "$file" || continue
        case $file in
        *.sources) sed -E 's/^Types:.*/Types: deb deb-src/' "$file" ;;
        *) sed -nE 's/^deb(-src)?( .*)/deb\2\ndeb-src\2/p' "$file" ;;
        esac >"$apt_dir/sources/$(basename "$file")"
    done
    cat >"$apt_dir/apt.conf" <<CONF
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$apt_dir/sources";
Dir::State::Lists "$apt_dir/lists";
Dir::Cache "$apt_dir/cache";
APT::Sandbox::User "$(id -un)";
Acquire::http::Timeout "30";
CONF
    export APT_CONFIG=$apt_dir/apt.conf
    say "reading the lists of packages"
    apt-get -qq update >&2 || say "some list of packages could not be read"
}

fetch_suite() {
    say "fetching the source package of PostgreSQL $installed"
    apt_own
    local version
    # The installed version's own first; a mirror may have dropped it, and any of the same major serves: both runs
    # read the same files.
    version=$(apt-cache showsrc "postgresql-$major" | sed -n 's/^Version: //p' | sort -rVu |
        awk -v own="$installed" 'index($0, own "-") == 1 { print; next } { rest = rest $0 "\n" } END { printf "%s", rest }')
    for version in $version; do
        (cd "$apt_dir" && rm -f ./*.orig.tar.* && apt-get -qq source --download-only "postgresql-$major=$version" >&2) && break
    done
    mkdir -p "$kept.part"
    tar -xf "$(ls "$apt_dir"/postgresql-"$major"_*.orig.tar.* | grep -v '\.asc$' | head -n 1)" -C "$kept.part" \
        --strip-components=1 --wildcards '*/src/test/regress/*' '*/src/include/*'
    mv "$kept.part/src/test/regress" "$kept.part/source"
    mv "$kept.part/src/include" "$kept.part/include"
}

# The C functions that the suite defines, built against the server's headers, installed or not; before them stand those
# of the source, since a package of headers may be newer than the server and speak of functions that it has not.
build_functions() { # SUITE
    local include
    include=$("$bindir/pg_config" --includedir-server)
    if [ ! -f "$include/postgres.h" ]; then
        say "fetching the server's headers"
        apt_own
        (cd "$apt_dir" && rm -f postgresql-server-dev-*.deb && apt-get -qq download "postgresql-server-dev-$major" >&2)
        dpkg-deb -x "$apt_dir"/postgresql-server-dev-"$major"_*.deb "$kept.part/headers"
        include=$kept.part/headers$include
    fi
    cc -O1 -shared -fPIC -I"$kept.part/include" -I"$include" -I"$("$bindir/pg_config" --includedir)/internal" -o "$1/regress.so" "$1/regress.c"
    cp "$libdir"/autoinc.so "$libdir"/refint.so "$1/"
}

if [ ! -d "$kept" ] || [ -n "$source" ]; then
    rm -rf "$kept.part" "$kept"
    if [ -n "$source" ]; then
        mkdir -p "$kept.part"
        cp -r "$source" "$kept.part/source"
        cp -r "$source/../../include" "$kept.part/include"
    else
        fetch_suite
    fi
    build_functions "$kept.part/source"
    mv "$kept.part" "$kept"
fi

# ---- What it runs on

if [ -z "${PGASK:-}" ]; then
    cargo build --release --locked --bin pgask
    PGASK=$target/release/pgask
fi

# PostgreSQL refuses to run as root, and the suite has it read and write files of pg_regress's.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    as_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/pgask-regress.XXXXXX")
proxy_pid=""
stop_all() {
    [ -z "$proxy_pid" ] || { kill "$proxy_pid" && wait "$proxy_pid"; } 2>/dev/null || true
    proxy_pid=""
    [ ! -d "$work/data" ] || "${as_user[@]}" "$bindir/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true
}
cleanup() { stop_all; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
cp -r "$kept/source" "$work/suite"
cp "$PGASK" "$work/pgask"
chmod 755 "$work"
[ ${#as_user[@]} -eq 0 ] || chown -R "$user" "$work"
# Commands in the work folder, as its owner. In the background `become` alone: then its process is the command's own.
become() { cd "$work" && exec env HOME="$work" PATH="$bindir:$PATH" "${as_user[@]}" "$@"; }
in_work() { (become "$@"); }

free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}
server_port=$(free_port) proxy_port=$(free_port) http_port=$(free_port)
in_work "$bindir/initdb" -D "$work/cluster" -U postgres -A trust --no-sync --no-locale -E UTF8 >"$work/initdb.log"
in_work tee -a "$work/cluster/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $server_port
unix_socket_directories = '$work'
max_connections = $((pool + 60))
max_prepared_transactions = 2
fsync = off
CONF
in_work tee "$work/proxy.toml" >/dev/null <<CONF
[listen]
address = "127.0.0.1:$proxy_port"
[[upstream]]
name = "suite"
url = "postgres://postgres@127.0.0.1:$server_port/postgres"
[pool]
mode = "$mode"
default_pool_size = $pool
[auth]
method = "trust"
[http]
address = "127.0.0.1:$http_port"
CONF

until_answers() { # PORT LOG
    for _ in $(seq 300); do
        ! in_work psql -XAtqc 'select 1' -h 127.0.0.1 -p "$1" -U postgres -d postgres >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    say "nothing answers on port $1:"
    tail -n 20 "$2" >&2
    exit 1
}

# play NAME PORT: the suite on a new copy of the cluster; its results and summary go to OUT/NAME.
play() {
    local which=("--schedule=$work/suite/parallel_schedule")
    [ -z "$tests" ] || read -ra which <<<"test_setup $tests"
    rm -rf "$work/data" "$work/run" "${out:?}/$1"
    in_work cp -r "$work/cluster" "$work/data"
    in_work mkdir "$work/run"
    in_work "$bindir/pg_ctl" -D "$work/data" -l "$work/postgres.log" -w start >/dev/null
    if [ "$2" = "$proxy_port" ]; then
        become env RUST_LOG="${RUST_LOG:-warn}" "$work/pgask" serve --config "$work/proxy.toml" >"$work/proxy.log" 2>&1 &
        proxy_pid=$!
    fi
    until_answers "$2" "$work/proxy.log"
    # One folder for all runs, since results quote its path. Failed tests are told below.
    in_work "$pg_regress" --inputdir="$work/suite" --outputdir="$work/run" --dlpath="$work/suite" --bindir="$bindir" \
        --host=127.0.0.1 --port="$2" --user=postgres --max-connections="$at_once" "${which[@]}" >"$work/summary" 2>&1 || true
    [ "$2" != "$proxy_port" ] || curl -fsS "http://127.0.0.1:$http_port/metrics" >"$work/metrics" 2>/dev/null || true
    stop_all
    mkdir -p "$out/$1"
    cp -r "$work/run/." "$work/summary" "$out/$1/"
    cp "$work/postgres.log" "$out/$1/"
    [ "$2" != "$proxy_port" ] || cp "$work/proxy.log" "$work/metrics" "$out/$1/" 2>/dev/null || true
}

# The tests and verdicts of a summary, one a line: as PostgreSQL 15 and older write it, and as newer ones do (TAP).
verdicts() {
    sed -nE -e 's/^(test| ) *([a-z0-9_.]+) +\.\.\. +(ok|FAILED|failed).*/\2 \3/p' \
        -e 's/^ok +[0-9]+ +[-+] +([a-z0-9_.]+) .*/\1 ok/p' -e 's/^not ok +[0-9]+ +[-+] +([a-z0-9_.]+) .*/\1 FAILED/p' "$1/summary"
}

mkdir -p "$out"
say "the suite directly, $schedule"
play direct "$server_port"
verdicts "$out/direct" >"$out/direct.verdicts"
count=$(wc -l <"$out/direct.verdicts")
[ "$count" -gt 0 ] || { say "no test was run:"; cat "$out/direct/summary" >&2; exit 1; }
differ_all=0
for run in $(seq "$runs"); do
    through=through
    [ "$runs" -eq 1 ] || through=through-$run
    say "the suite through pgask, $schedule, mode $mode, pool of $pool (run $run of $runs)"
    play "$through" "$proxy_port"
    verdicts "$out/$through" >"$out/$through.verdicts"
    differ=0
    : >"$out/$through.diffs"
    while read -r name _; do
        cmp -s "$out/direct/results/$name.out" "$out/$through/results/$name.out" && continue
        differ=$((differ + 1))
        {
            echo "=== $name"
            diff "$out/direct/results/$name.out" "$out/$through/results/$name.out" 2>&1 || true
        } >>"$out/$through.diffs"
        echo "differs: $name"
    done <"$out/direct.verdicts"
    echo "$count tests, $(grep -c ' ok$' "$out/direct.verdicts" || true) as the suite expects directly," \
        "$(grep -c ' ok$' "$out/$through.verdicts" || true) through pgask ($mode, pool of $pool, $schedule): $differ differ"
    [ "$differ" -eq 0 ] || echo "the differences: $out/$through.diffs"
    sed -nE 's/^(pgask_(pins|server_connects|logins_ok|transactions)_total(\{[^}]*\})? .*)/    \1/p' "$out/$through/metrics" \
        2>/dev/null || true
    differ_all=$((differ_all + differ))
done
[ "$differ_all" -eq 0 ]
