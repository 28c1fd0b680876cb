"""asyncpg for the matrix of asks: `fetch` speaks the extended protocol, `execute` without values the simple one, of
which it hands on the command tag alone."""

import io

import asyncpg

from asks import main


class Session:
    Error = (asyncpg.PostgresError, asyncpg.InterfaceError)

    @classmethod
    async def open(cls):
        session = cls()
        session.conn = await asyncpg.connect()
        return session

    def sqlstate(self, error):
        return getattr(error, "sqlstate", None)

    async def rollback(self):
        await self.conn.execute("rollback")

    async def run(self, cell, step):
        if step["copies"]:
            out = io.BytesIO()
            await self.conn.copy_from_query(step["sql"], output=out)
            return [line.split("\t") for line in out.getvalue().decode().splitlines()]
        if cell["protocol"] == "simple" and step["asks"]:
            return await self.conn.execute(step["sql"])
        return [tuple(row) for row in await self.conn.fetch(step["sql"], *step["values"])]


main(Session.open)
