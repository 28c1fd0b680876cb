"""What the Python driver scripts share: the questions, the SQL that answers them, and the command line.

Each script takes one argument, `plain` or `asks`, and finds the server in PGHOST, PGPORT, PGUSER, PGPASSWORD and
PGDATABASE. It ends with an exception where something is wrong.
"""

import sys

COUNT = "how many customers are from Germany"
COUNT_SQL = "select count(*) from customers where country = 'Germany'"

COUNT_IN = "how many customers in country $1"

GROUPS = "number of customers per country"
GROUPS_SQL = "select country, count(*) from customers group by country"

NONSENSE = "grumble the wibbly flonks"


def spellings(question):
    """The five spellings of a question, as a whole statement."""
    return [
        f"-- ask: {question}",
        f"-- ASK: {question.split(' ', 1)[0]}\n-- {question.split(' ', 1)[1]}",
        f"/* ask: {question} */",
        f"ask: {question}",
        f"ask {question}",
        f"ASK: {question};",
        f"select -- ask: {question}\n;",
        f"select * from ask('{question}')",
        f"select (select * from ask('{question}'))",
    ]


def main(**parts):
    parts[sys.argv[1]]()
    print("ok")


def equal(found, expected, what):
    assert found == expected, f"{what}: {found!r} is not {expected!r}"
