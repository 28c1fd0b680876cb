"""psycopg 3 for the matrix of asks: the simple protocol by statements without values and by cursors that bind
themselves, the extended one by preparing every statement."""

import psycopg

from asks import main


class Session:
    Error = psycopg.Error

    def __init__(self):
        self.conn = psycopg.connect(autocommit=True)

    def sqlstate(self, error):
        return error.sqlstate

    def rollback(self):
        self.conn.execute("rollback")

    def run(self, cell, step):
        simple = cell["protocol"] == "simple"
        if step["copies"]:
            with self.conn.cursor().copy(f"copy ({step['sql']}) to stdout") as copy:
                return list(copy.rows())
        cursor = psycopg.ClientCursor(self.conn) if simple else self.conn.cursor()
        with cursor:
            cursor.execute(step["sql"], step["values"] or None, prepare=None if simple else True)
            rows = []
            while True:
                if cursor.description:
                    rows += cursor.fetchall()
                if not cursor.nextset():
                    return rows


main(Session)
