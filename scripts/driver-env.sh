#!/bin/sh
# Makes the environments of the driver tests: target/drivers/python (a virtual environment) and
# target/drivers/node_modules; with "all" as argument also the drivers that come from Debian's packages or are
# compiled, below target/drivers/bin. Does nothing for what is there and matches tests/drivers/.
#
# A machine without Python or Node gets them from its package manager; where that is not possible the driver tests of
# that language are skipped, and say so. With PGASK_DRIVERS=required this script fails instead.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

drivers=${CARGO_TARGET_DIR:-target}/drivers
mkdir -p "$drivers"

missing() {
    say "$1: the driver tests that need it are skipped"
    [ "${PGASK_DRIVERS:-}" != required ] || exit 1
}

# up_to_date NAME FILE: whether NAME was made from FILE as it is now.
up_to_date() { cmp -s "$2" "$drivers/$1.made-from"; }

python_env() {
    up_to_date python tests/drivers/requirements.txt && [ -x "$drivers/python/bin/python" ] && return
    have python3 || install "python3 python3-venv" python3 "python3 py3-pip" python3 python python3 || true
    have python3 || { missing "no python3"; return; }
    rm -rf "$drivers/python"
    # Debian ships the module without what it needs to make an environment.
    python3 -m venv "$drivers/python" >/dev/null 2>&1 || {
        rm -rf "$drivers/python"
        install python3-venv - - - - - && python3 -m venv "$drivers/python" >/dev/null
    } || { missing "python3 cannot make a virtual environment"; return; }
    say "installing the Python drivers"
    "$drivers/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        -r tests/drivers/requirements.txt || { missing "the Python drivers cannot be installed"; return; }
    cp tests/drivers/requirements.txt "$drivers/python.made-from"
}

node_env() {
    up_to_date node tests/drivers/package.json && [ -d "$drivers/node_modules/pg" ] && return
    have npm || install "nodejs npm" "nodejs npm" "nodejs npm" node "nodejs npm" "nodejs npm" || true
    have npm || { missing "no npm"; return; }
    say "installing the Node driver"
    cp tests/drivers/package.json "$drivers/package.json"
    npm install --prefix "$drivers" --silent --no-audit --no-fund --no-package-lock >&2 ||
        { missing "the Node driver cannot be installed"; return; }
    cp tests/drivers/package.json "$drivers/node.made-from"
}

# packaged NAME PROBE PACKAGES: a driver from Debian's packages is there when the probe succeeds. What could not be
# installed is named here and in NAME.missing, and its test is skipped.
packaged() {
    rm -f "$drivers/$1.missing" "$drivers/$1.installed"
    if ! sh -c "$2" >/dev/null 2>&1; then
        say "installing $1: $3"
        install "$3" - - - - - >/dev/null 2>&1 || true
        if ! sh -c "$2" >/dev/null 2>&1; then
            say "$1 could not be installed (Debian: $3): its driver tests are skipped"
            printf '%s\n' "not on this system; on Debian: apt-get install $3" >"$drivers/$1.missing"
            return 1
        fi
    fi
    touch "$drivers/$1.installed"
}

# compiled NAME COMMAND...: what cannot be compiled counts as not installed.
compiled() {
    driver=$1
    shift
    "$@" >&2 || {
        say "$driver could not be compiled: its driver tests are skipped"
        rm -f "$drivers/$driver.installed"
        printf '%s\n' "could not be compiled" >"$drivers/$driver.missing"
    }
}

# Debian has Go's libraries as source, for a build outside of modules.
go_build() {
    go_client pgx golang-github-jackc-pgx-v4-dev && go_client pq golang-github-lib-pq-dev
}

go_client() {
    version=$(dpkg-query -W -f '${Version}' "$2")
    GO111MODULE=off GOPATH=/usr/share/gocode go build -ldflags "-X main.version=${version%-*}" \
        -o "$drivers/bin/$1_client" "tests/drivers/$1_client.go"
}

sqlx_build() {
    cargo build --quiet --locked --manifest-path tests/drivers/sqlx/Cargo.toml --target-dir "$drivers/sqlx" &&
        cp "$drivers/sqlx/debug/sqlx_client" "$drivers/bin/"
}

every_driver() {
    mkdir -p "$drivers/bin"
    gocode=/usr/share/gocode/src/github.com
    packaged jdbc "java -version && ls /usr/share/java/postgresql.jar" \
        "default-jdk-headless libpostgresql-jdbc-java" || true
    packaged odbc "odbcinst -q -d -n 'PostgreSQL Unicode'" "unixodbc odbcinst odbc-postgresql" || true
    packaged ruby "ruby -e 'require \"pg\"'" "ruby ruby-pg" || true
    packaged php "php -m | grep -qx pdo_pgsql" "php-cli php-pgsql" || true
    packaged perl "perl -MDBD::Pg -e 1" "libdbd-pg-perl" || true
    packaged go "go version && ls $gocode/lib/pq/conn.go $gocode/jackc/pgx/v4/conn.go" \
        "golang-go golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev" && compiled go go_build
    packaged sqlx "cargo --version" cargo && compiled sqlx sqlx_build
}

python_env
node_env
[ "${1:-}" != all ] || every_driver
