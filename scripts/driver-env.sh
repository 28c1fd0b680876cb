#!/bin/sh
# Makes the environments of the driver tests: target/drivers/python (a virtual environment) and
# target/drivers/node_modules. Does nothing when they are there and match tests/drivers/.
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

python_env
node_env
