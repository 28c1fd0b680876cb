"""What the Python runners of the matrix of asks share: cells come as lines of JSON on standard input, and each is
answered by a line of JSON with its rows as text, or the SQLSTATE of its error.

A cell: {"id", "protocol": "simple" | "extended", "steps": [{"sql", "values", "copies", "asks"}]}. The answer:
{"id"} with "rows", "tag" or "sqlstate", or with "fails" when the driver itself does not want to.
"""

import asyncio
import inspect
import json
import sys


def text(value):
    return value if value is None else str(value)


async def finished(value):
    return await value if inspect.isawaitable(value) else value


async def answer(session, cell):
    try:
        for step in cell["steps"]:
            seen = await finished(session.run(cell, step))
        if isinstance(seen, str):
            return {"tag": seen}
        return {"rows": [[text(value) for value in row] for row in seen]}
    except session.Error as error:
        state = session.sqlstate(error)
        return {"sqlstate": state} if state else {"fails": str(error)}
    finally:
        await finished(session.rollback())


async def play(open_session):
    session = await finished(open_session())
    for line in sys.stdin:
        cell = json.loads(line)
        print(json.dumps({"id": cell["id"], **await answer(session, cell)}), flush=True)


def main(open_session):
    asyncio.run(play(open_session))
