#!/bin/sh
# Makes what the Superset test needs: target/drivers/superset (a virtual environment, about 800 MB) and
# target/drivers/superset-home (its own database, set up). Does nothing for what is there and matches
# tests/drivers/superset/.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

drivers=${CARGO_TARGET_DIR:-target}/drivers
wanted=tests/drivers/superset/requirements.txt
mkdir -p "$drivers"
drivers=$(cd "$drivers" && pwd)

cmp -s "$wanted" "$drivers/superset.made-from" && exit
have python3 || install "python3 python3-venv" python3 "python3 py3-pip" python3 python python3
say "installing Apache Superset: a minute or two"
rm -rf "$drivers/superset" "$drivers/superset-home" "$drivers/superset.made-from"
python3 -m venv "$drivers/superset" >/dev/null 2>&1 || {
    rm -rf "$drivers/superset"
    install python3-venv - - - - -
    python3 -m venv "$drivers/superset" >/dev/null
}
"$drivers/superset/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"

say "setting up its database: another minute"
SUPERSET_HOME=$drivers/superset-home
SUPERSET_CONFIG_PATH=tests/drivers/superset/superset_config.py
FLASK_APP=superset
export SUPERSET_HOME SUPERSET_CONFIG_PATH FLASK_APP
mkdir -p "$SUPERSET_HOME"
for step in "db upgrade" \
    "fab create-admin --username admin --firstname A --lastname B --email admin@example.org --password admin" \
    "init"; do
    # Its arguments are words without spaces.
    "$drivers/superset/bin/superset" $step >"$SUPERSET_HOME/setup.log" 2>&1 || {
        cat "$SUPERSET_HOME/setup.log" >&2
        say "superset $step failed"
        exit 1
    }
done
cp "$wanted" "$drivers/superset.made-from"
