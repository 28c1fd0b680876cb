"""SQLAlchemy over psycopg for the matrix of asks; preparing every statement makes psycopg use the extended protocol."""

import sqlalchemy as sa

from asks import main


class Session:
    Error = sa.exc.DBAPIError

    def __init__(self):
        self.connections = {
            protocol: sa.create_engine(
                "postgresql+psycopg://", isolation_level="AUTOCOMMIT", connect_args={"prepare_threshold": threshold}
            ).connect()
            for protocol, threshold in [("simple", None), ("extended", 0)]
        }

    def sqlstate(self, error):
        return error.orig.sqlstate

    def rollback(self):
        for conn in self.connections.values():
            conn.execute(sa.text("rollback"))

    def run(self, cell, step):
        values = {f"p{i}": value for i, value in enumerate(step["values"], start=1)}
        result = self.connections[cell["protocol"]].execute(sa.text(step["sql"]), values)
        rows = []
        cursor = result.cursor
        while cursor is not None:
            if cursor.description:
                rows += cursor.fetchall()
            if not cursor.nextset():
                break
        return rows


main(Session)
