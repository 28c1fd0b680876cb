#!/bin/sh
# Installs every driver that this system can have, runs the driver tests, and makes the table of docs/clients.md from
# what they saw. Fails when a test does.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

cargo=${CARGO:-cargo}
outcome=${CARGO_TARGET_DIR:-target}/drivers/outcome
PGASK_DRIVERS=required scripts/driver-env.sh all
rm -rf "$outcome"
status=0
if $cargo nextest --version >/dev/null 2>&1; then
    $cargo nextest run --locked --ignore-default-filter --no-fail-fast -E 'test(/^drivers::/) - test(drivers::superset::)' ||
        status=$?
else
    $cargo test --locked --no-fail-fast --test it -- drivers:: --skip drivers::superset:: || status=$?
fi
"$(dirname "$outcome")/python/bin/python" scripts/driver-table.py "$outcome" tests/drivers/features.txt docs/clients.md
exit "$status"
