#!/bin/sh
# Finds PostgreSQL's server binaries, or installs them with the system's package manager. Asks nothing. Prints the
# directory on standard output when called with --print.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

# The same places, in the same order, as src/app/throwaway/binaries.rs.
find_bindir() {
    for dir in $(printf '%s' "$PATH" | tr ':' ' ') \
        $(pg_config --bindir 2>/dev/null || true) \
        $(ls -d /usr/lib/postgresql/*/bin /usr/local/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -rV 2>/dev/null || true) \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin \
        /home/linuxbrew/.linuxbrew/opt/postgresql*/bin \
        /usr/libexec/postgresql /usr/local/pgsql/bin /opt/homebrew/bin /usr/bin /usr/pgsql-*/bin; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ] && [ -x "$dir/postgres" ]; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    return 1
}

if ! bindir=$(find_bindir); then
    say "PostgreSQL's server binaries are missing: installing them"
    install "postgresql postgresql-client" "postgresql-server postgresql" "postgresql postgresql-client" \
        "postgresql@17" "postgresql" "postgresql-server postgresql" || true
    bindir=$(find_bindir) || {
        say "PostgreSQL's server binaries (initdb, pg_ctl, postgres) could not be found or installed;"
        say "install the PostgreSQL server by hand and try again"
        exit 1
    }
fi
[ "${1:-}" != --print ] || printf '%s\n' "$bindir"
