"""psycopg 3: client-side and server-side parameters, automatic preparation, COPY, pipelines, notices."""

import psycopg
from psycopg.rows import dict_row

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, equal, main, spellings


def plain():
    with psycopg.connect() as conn:
        equal(conn.execute("select 1, 'ü', null").fetchone(), (1, "ü", None), "simple")
        equal(conn.execute("select %s::int + 1", (41,)).fetchone(), (42,), "parameter")
        conn.execute("create table psycopg_t (i int primary key, d date, n numeric, b bytea)")
        with conn.cursor() as cur:
            cur.executemany(
                "insert into psycopg_t values (%s, %s::text::date, %s, %s)",
                [(i, "2024-02-29", "1.50", bytes([i])) for i in range(50)],
            )
            equal(cur.rowcount, 50, "executemany")
        conn.commit()
        binary = conn.cursor(binary=True, row_factory=dict_row)
        row = binary.execute("select * from psycopg_t where i = %b", (7,)).fetchone()
        equal((row["i"], str(row["d"]), str(row["n"]), row["b"]), (7, "2024-02-29", "1.50", b"\x07"), "binary")
        for i in range(20):
            equal(conn.execute("select n * %s from psycopg_t where i = %s", (i, i), prepare=True).fetchone()[0], i * 1.5, "prepared")
            conn.commit()
        with conn.cursor().copy("copy psycopg_t (i) from stdin") as copy:
            for i in range(1000, 1500):
                copy.write_row((i,))
        with conn.cursor().copy("copy (select i from psycopg_t where i >= 1000) to stdout") as copy:
            equal(sum(1 for _ in copy.rows()), 500, "copy out")
        conn.rollback()
        equal(conn.execute("select count(*) from psycopg_t").fetchone(), (50,), "rollback")
        with conn.pipeline():
            cursors = [conn.execute("select %s::int", (i,)) for i in range(100)]
        equal([cur.fetchone()[0] for cur in cursors], list(range(100)), "pipeline")
        with conn.cursor("named") as cur:
            cur.itersize = 7
            cur.execute("select i from psycopg_t order by i")
            equal([i for (i,) in cur], list(range(50)), "server-side cursor")
        conn.commit()
        notices = []
        conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
        conn.execute("do $$begin raise notice 'heard'; end$$")
        equal(notices, ["heard"], "notice")
        conn.commit()
        with conn.transaction():
            try:
                with conn.transaction():
                    conn.execute("select 1/0")
            except psycopg.errors.DivisionByZero:
                pass
            equal(conn.execute("select 'savepoint'").fetchone(), ("savepoint",), "nested transaction")
        try:
            conn.execute("select * from no_such_table")
            raise AssertionError("no error")
        except psycopg.errors.UndefinedTable as e:
            equal(e.diag.statement_position, "15", "position")
        conn.rollback()
        equal(conn.execute("select current_user").fetchone(), (conn.info.user,), "after the error")
        conn.execute("drop table psycopg_t")
    with psycopg.connect(autocommit=True) as conn:
        conn.execute("listen chan")
        conn.execute("notify chan, 'payload'")
        equal(next(conn.notifies(timeout=10)).payload, "payload", "notify")


def asks():
    with psycopg.connect(autocommit=True) as conn:
        notices = []
        conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
        count = conn.execute(COUNT_SQL).fetchone()
        groups = sorted(conn.execute(GROUPS_SQL).fetchall())
        for sql in spellings(COUNT):
            # The simple protocol, the extended one, and a named statement.
            for kwargs in [{}, {"binary": True}, {"prepare": True}, {"prepare": True}]:
                equal(conn.execute(sql, **kwargs).fetchone(), count, f"{sql} {kwargs}")
        assert notices and notices[0].startswith("ask: SELECT"), notices
        for sql in spellings(GROUPS)[:-1]:
            equal(sorted(conn.execute(sql).fetchall()), groups, sql)
        cur = conn.execute(f"select * from ask('{COUNT_IN}', %s)", ("Germany",))
        equal(cur.fetchone(), count, "an argument")
        cur = conn.execute(f"select * from (/* ask: {GROUPS} */) r limit 3")
        equal(len(cur.fetchall()), 3, "a derived table")
        conn.autocommit = False
        equal(conn.execute(f"/* ask: {COUNT} */").fetchone(), count, "in a transaction")
        conn.execute("create table written (i int)")
        conn.rollback()
        conn.autocommit = True
        with conn.transaction(), conn.cursor("named") as cur:
            cur.execute(f"/* ask: {GROUPS} */")
            equal(sorted(cur.fetchall()), groups, "a server-side cursor")
        for kwargs in [{}, {"prepare": True}]:
            try:
                conn.execute(f"/* ask: {NONSENSE} */", **kwargs)
                raise AssertionError("an answer to nonsense")
            except psycopg.Error as e:
                equal(e.sqlstate, "NL002", "nonsense")
                assert "flonks" in str(e), e
        equal(conn.execute("select 1").fetchone(), (1,), "after the refusal")


main(plain=plain, asks=asks)
