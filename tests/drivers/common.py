"""What the Python scripts share: the frame that runs features, the questions, and the SQL that answers them.

A script takes one argument, `plain` or `asks`, and finds the server in PGHOST, PGPORT, PGUSER, PGPASSWORD and
PGDATABASE. It prints its driver with the version, and then a line per feature: name, tab, what was seen. A feature
that goes wrong prints FAILED, and the script ends with status 1. What is printed must not depend on the run.
"""

import asyncio
import contextlib
import inspect
import os
import sys
import threading
import traceback

COUNT = "how many customers are from Germany"
COUNT_SQL = "select count(*) from customers where country = 'Germany'"
COUNT_IN = "how many customers in country $1"
GROUPS = "number of customers per country"
GROUPS_SQL = "select country, count(*) from customers group by country"
NONSENSE = "grumble the wibbly flonks"

# Whether such a query runs, and as which of the sessions.
SLEEP = "select /* to be cancelled */ pg_sleep(60)"
SLEEPS = (
    "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    " and query like '%to be cancelled%'"
)

# Connections to be closed at the end of the feature that opened them, however it ends.
opened = []

_plain = []
_asks = []


def feature(name):
    """Marks a function, plain or async, as what shows a feature; it returns what was seen."""

    def add(function):
        (_asks if name.startswith("ask") else _plain).append((name, function))
        return function

    return add


def main(driver, version):
    failed = False
    print("driver", f"{driver} {version}", sep="\t", flush=True)
    # Once a session has asked for currval, sessions that insert keep their connections: that is for the end.
    in_order = sorted(_plain, key=lambda one: one[0] == "state")
    for name, function in {"plain": in_order, "asks": _asks}[sys.argv[1]]:
        try:
            seen = function()
            if inspect.iscoroutine(seen):
                seen = asyncio.run(asyncio.wait_for(seen, 120))
            print(name, seen, sep="\t", flush=True)
        except Exception as error:  # The next feature is tried all the same.
            failed = True
            traceback.print_exc()
            print(name, f"FAILED: {error!r}"[:300].replace("\n", " "), sep="\t", flush=True)
        while opened:
            with contextlib.suppress(Exception):
                opened.pop().close()
    sys.exit(1 if failed else 0)


def spellings(question):
    """The spellings of a question as a whole statement, and as one value or table."""
    first, rest = question.split(" ", 1)
    return [
        f"-- ask: {question}",
        f"-- ASK: {first}\n-- {rest}",
        f"/* ask: {question} */",
        f"ask: {question}",
        f"ask {question}",
        f"ASK: {question};",
        f"select -- ask: {question}\n;",
        f"select * from ask('{question}')",
        f"select * from (/* ask: {question} */) r",
    ]


def equal(found, expected, what):
    assert found == expected, f"{what}: {found!r} is not {expected!r}"


def fails(error_type, run, sqlstate_of):
    """The SQLSTATE with which `run` fails."""
    try:
        run()
    except error_type as error:
        return sqlstate_of(error)
    raise AssertionError("no error")


def wait_until(holds):
    """Looks until something holds, and gives up after some seconds."""
    for _ in range(200):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never comes to pass")


def server():
    """Where the server is, for drivers that do not look into the environment themselves."""
    return {
        "host": os.environ["PGHOST"],
        "port": int(os.environ["PGPORT"]),
        "user": os.environ["PGUSER"],
        "password": os.environ["PGPASSWORD"],
        "database": os.environ["PGDATABASE"],
    }
