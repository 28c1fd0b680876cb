"""psycopg 3: client-side and server-side parameters, automatic preparation, COPY, pipelines, notices."""

import threading

import psycopg
from psycopg.types.json import Jsonb

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEP, SLEEPS
from common import equal, fails, feature, main, spellings, wait_until


def connect(**kwargs):
    return psycopg.connect(autocommit=kwargs.pop("autocommit", True), **kwargs)


def sqlstate(run):
    return fails(psycopg.Error, run, lambda error: error.sqlstate)


def value(conn, *args, **kwargs):
    return conn.execute(*args, **kwargs).fetchone()[0]


@feature("options")
def options():
    given = {"application_name": "its own", "client_encoding": "latin1", "options": "-c work_mem=3MB -c search_path=hr"}
    with connect(**given) as conn, connect() as other:
        seen = []
        for _ in range(3):
            names = ["application_name", "client_encoding", "work_mem", "search_path"]
            seen.append([value(conn, f"show {name}") for name in names] + [value(conn, "select 'ü'")])
            equal(value(other, "show work_mem"), "4MB", "another session")
        equal(seen[0], ["its own", "LATIN1", "3MB", "hr", "ü"], "settings")
        return seen


@feature("parameters")
def parameters():
    with connect() as conn:
        row = (41, None, "ü'\\", 1.5, True, [1, 2, None], b"\x00\xff")
        sql = "select %s::int, %s::text, %s::text, %s::float8, %s::bool, %s::int[], %s::bytea"
        equal(conn.execute(sql, row).fetchone(), row, "a row")
        with psycopg.ClientCursor(conn) as client_side:
            equal(client_side.execute(sql, row).fetchone(), row, "bound by the client")
        doc = value(conn, "select %s::jsonb", (Jsonb({"n": [1, "é"]}),))
        return row, doc, conn.execute("select '2024-02-29'::date, 1.50::numeric, '1 day'::interval").fetchone()


@feature("binary")
def binary():
    with connect() as conn:
        cursor = conn.cursor(binary=True)
        sql = "select %b::int8, %b::text, %b::bytea, '2024-02-29'::timestamptz, 'NaN'::numeric, array['a', null]"
        row = cursor.execute(sql, (7, "ü", b"\0")).fetchone()
        return cursor.pgresult.fformat(0), row


@feature("prepared")
def prepared():
    with connect() as one, connect() as two, connect() as three, connect() as four:
        one.execute("create table prepared_t (i int primary key, t text)")
        for i in range(30):
            for conn in (one, two, three, four):
                equal(value(conn, "select %s::int * 2", (i,), prepare=True), i * 2, "a statement of many sessions")
            with two.transaction():
                two.execute("insert into prepared_t values (%s, %s)", (i, str(i)), prepare=True)
            equal(value(three, "select t from prepared_t where i = %s", (i,), prepare=True), str(i), "what was inserted")
        names = [row[0] for row in two.execute("select statement from pg_prepared_statements where not from_sql order by 1")]
        assert {"select $1::int * 2", "insert into prepared_t values ($1, $2)"} <= set(names), names
        two.execute("deallocate all")
        equal(value(two, "select %s::int * 2", (4,), prepare=False), 8, "after deallocate all")
        return value(four, "select count(*) from prepared_t"), one.execute("drop table prepared_t").statusmessage


@feature("batch")
def batch():
    with connect() as conn, conn.cursor() as cursor:
        cursor.execute("create table batch_t (i int primary key)")
        cursor.executemany("insert into batch_t values (%s)", [(i,) for i in range(500)])
        counted = cursor.rowcount
        duplicate = sqlstate(lambda: cursor.executemany("insert into batch_t values (%s)", [(700,), (1,), (701,)]))
        kept = value(conn, "select count(*) from batch_t")
        returned = []
        cursor.executemany("insert into batch_t values (%s) returning i", [(900,), (901,)], returning=True)
        returned.append(cursor.fetchone())
        while cursor.nextset():
            returned.append(cursor.fetchone())
        conn.execute("drop table batch_t")
        # Here the driver sends DEALLOCATE ALL, for a statement whose table is gone.
        conn.execute("select 1")
        return counted, duplicate, kept, returned


@feature("pipeline")
def pipeline():
    with connect() as conn:
        with conn.pipeline():
            cursors = [conn.execute("select %s::int, repeat('x', 1000)", (i,)) for i in range(2000)]
        equal([cursor.fetchone()[0] for cursor in cursors], list(range(2000)), "answers")
        conn.execute("create table pipeline_t (i int primary key)")

        def broken():
            with conn.pipeline() as pipe:
                conn.execute("insert into pipeline_t values (1)")
                pipe.sync()
                conn.execute("insert into pipeline_t values (2)")
                conn.execute("insert into pipeline_t values (1)")
                conn.execute("insert into pipeline_t values (3)")

        state = sqlstate(broken)
        with conn.pipeline():
            with conn.transaction():
                conn.execute("insert into pipeline_t values (4)")
        kept = conn.execute("select i from pipeline_t order by i").fetchall()
        conn.execute("drop table pipeline_t")
        return state, kept


@feature("several")
def several():
    with connect() as conn:
        cursor = conn.execute("select 1; create temp table several_t (i int); insert into several_t values (1), (2); select 'b'")
        seen = []
        while True:
            seen.append((cursor.statusmessage, cursor.rowcount))
            if not cursor.nextset():
                break
        state = sqlstate(lambda: conn.execute("insert into several_t values (3); select 1/0; select 2"))
        return seen, state, value(conn, "select count(*) from several_t")


@feature("transactions")
def transactions():
    with connect(autocommit=False) as conn:
        conn.execute("create table transactions_t (i int)")
        conn.commit()
        conn.execute("insert into transactions_t values (1)")
        conn.rollback()
        seen = [value(conn, "select count(*) from transactions_t")]
        seen.append(sqlstate(lambda: conn.execute("select 1/0")))
        seen.append(sqlstate(lambda: conn.execute("select 1")))
        seen.append(conn.info.transaction_status.name)
        conn.rollback()
        conn.execute("drop table transactions_t")
        conn.commit()
        return seen, conn.info.transaction_status.name


@feature("savepoints")
def savepoints():
    with connect() as conn:
        with conn.transaction():
            conn.execute("create temp table savepoints_t (i int) on commit drop")
            try:
                with conn.transaction():
                    conn.execute("insert into savepoints_t values (1)")
                    conn.execute("select 1/0")
            except psycopg.errors.DivisionByZero:
                pass
            with conn.transaction():
                conn.execute("insert into savepoints_t values (2)")
            seen = conn.execute("select i from savepoints_t").fetchall()
        return seen, sqlstate(lambda: conn.execute("select * from savepoints_t"))


@feature("isolation")
def isolation():
    with connect(autocommit=False) as conn, connect() as other:
        seen = [value(conn, "show transaction_isolation")]
        conn.rollback()
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        conn.read_only = True
        conn.deferrable = True
        seen += conn.execute(
            "select current_setting('transaction_isolation'), current_setting('transaction_read_only'),"
            " current_setting('transaction_deferrable')"
        ).fetchone()
        seen.append(sqlstate(lambda: conn.execute("create table isolation_t ()")))
        conn.rollback()
        seen.append(value(other, "show transaction_read_only"))
        conn.read_only = False
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("create table isolation_t (i int)")
        conn.commit()
        before = value(conn, "select count(*) from isolation_t")
        other.execute("insert into isolation_t values (1)")
        seen.append((before, value(conn, "select count(*) from isolation_t")))
        conn.rollback()
        other.execute("drop table isolation_t")
        return seen


@feature("cursor")
def cursor():
    with connect() as conn:
        with conn.transaction(), conn.cursor("named") as named:
            named.itersize = 7
            named.execute("select generate_series(1, 50)")
            equal([i for (i,) in named], list(range(1, 51)), "rows")
        with conn.transaction(), conn.cursor("scrolled", scrollable=True) as scrolled:
            scrolled.execute("select generate_series(1, 50)")
            scrolled.scroll(40)
            seen = [scrolled.fetchone()]
            scrolled.scroll(-20)
            seen.append(scrolled.fetchmany(3))
        held = conn.cursor("held", withhold=True)
        held.execute("select generate_series(1, 9)")
        with connect() as other:
            other.execute("select 1")
        seen.append(held.fetchmany(4))
        seen.append(held.fetchall())
        held.close()
        return seen, [i for (i,) in conn.cursor().stream("select generate_series(1, 3)")]


@feature("copy-in")
def copy_in():
    with connect() as conn:
        conn.execute("create table copy_t (i int, t text)")
        with conn.cursor() as cursor:
            with cursor.copy("copy copy_t from stdin") as copy:
                for i in range(20000):
                    copy.write_row((i, "ü" * 20))
            seen = [cursor.statusmessage]
            with cursor.copy("copy copy_t from stdin (format binary)") as copy:
                copy.set_types(["int4", "text"])
                copy.write_row((-1, None))
            seen.append(cursor.statusmessage)

            def give_up():
                with cursor.copy("copy copy_t from stdin") as copy:
                    copy.write("1\tx\n")
                    raise psycopg.DataError("given up")

            seen.append(fails(psycopg.Error, give_up, str))

            def refused():
                with cursor.copy("copy copy_t from stdin") as copy:
                    for _ in range(1000):
                        copy.write("no number\tx\n")

            seen.append(fails(psycopg.Error, refused, lambda error: (error.sqlstate, error.diag.context)))
        seen.append(value(conn, "select count(*) from copy_t"))
        conn.execute("drop table copy_t")
        return seen


@feature("copy-out")
def copy_out():
    with connect() as conn, conn.cursor() as cursor:
        with cursor.copy("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout") as copy:
            seen = [sum(len(block) for block in copy)]
        with cursor.copy("copy (select 1, null::text) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text"])
            seen.append(list(copy.rows()))

        def fail():
            with cursor.copy("copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout") as copy:
                list(copy.rows())

        return seen, sqlstate(fail), value(conn, "select 1")


@feature("notify")
def notify():
    with connect() as conn, connect() as other:
        conn.execute("listen chan")
        other.execute("select 1")
        threading.Timer(0.2, lambda: other.execute("notify chan, 'while idle'")).start()
        seen = [(n.channel, n.payload) for n in conn.notifies(timeout=10, stop_after=1)]
        conn.execute("unlisten chan")
        other.execute("notify chan, 'unheard'")
        conn.execute("select 1")
        return seen, list(conn.notifies(timeout=0))


@feature("cancel")
def cancel():
    with connect() as conn, connect() as other:
        seen = []
        for cancel in (conn.cancel_safe, conn.cancel):

            def when_it_runs(cancel=cancel):
                wait_until(lambda: value(other, SLEEPS) == 1)
                cancel()

            thread = threading.Thread(target=when_it_runs)
            thread.start()
            seen.append(sqlstate(lambda: conn.execute(SLEEP)))
            thread.join()
            seen.append(value(conn, "select 'goes on'"))
        conn.execute("set statement_timeout = '50ms'")
        seen.append(sqlstate(lambda: conn.execute("select pg_sleep(60)")))
        return seen


@feature("errors")
def errors():
    with connect() as conn:
        conn.execute("create temp table errors_t (i int primary key check (i > 0), n text not null)")
        fields = ["severity", "sqlstate", "message_primary", "message_detail", "message_hint", "statement_position"]
        fields += ["internal_position", "internal_query", "context", "constraint_name", "column_name", "table_name"]
        seen = []
        for sql in [
            "select * from no_such_table",
            "select 'a' from customers where nam = 'é'",
            "insert into errors_t values (0, '')",
            "insert into errors_t values (1, null)",
            "insert into errors_t values (1, ''), (1, '')",
            "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
            "do $$begin execute 'select 1 +'; end$$",
            "selec",
        ]:
            for kwargs in ({}, {"prepare": True}):
                one = fails(psycopg.Error, lambda: conn.execute(sql, **kwargs), lambda e: [getattr(e.diag, f) for f in fields])
                seen.append([field for field in one if field is not None])
        return seen


@feature("notices")
def notices():
    with connect() as conn:
        heard = []
        conn.add_notice_handler(lambda d: heard.append((d.severity, d.sqlstate, d.message_primary, d.message_hint)))
        conn.execute("do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; raise debug 'unheard'; end$$")
        conn.execute("drop table if exists not_there")
        conn.execute("set client_min_messages = error")
        conn.execute("do $$begin raise notice 'unheard'; end$$")
        return heard


@feature("settings")
def settings():
    with connect() as conn, connect() as other:
        conn.execute("set search_path = hr")
        conn.execute("set time zone 'Asia/Tokyo'")
        conn.execute("set datestyle = 'german'")
        seen = []
        for _ in range(3):
            seen.append([value(conn, f"show {name}") for name in ["search_path", "timezone", "datestyle"]])
            seen.append([value(other, f"show {name}") for name in ["search_path", "timezone", "datestyle"]])
        seen.append((value(conn, "select count(*) > 0 from employees"), conn.info.timezone.key))
        with conn.transaction():
            conn.execute("set local work_mem = '1MB'")
            conn.execute("set time zone 'Europe/Paris'")
            seen.append((value(conn, "show work_mem"), conn.info.timezone.key))
            raise psycopg.Rollback()
        seen.append((value(conn, "show work_mem"), conn.info.timezone.key))
        conn.execute("reset all")
        seen.append([value(conn, f"show {name}") for name in ["search_path", "timezone", "datestyle"]])
        return seen


@feature("state")
def state():
    with connect() as conn, connect() as other:
        conn.execute("create temp table state_t (i serial)")
        conn.execute("insert into state_t default values")
        seen = [value(conn, "select currval('state_t_i_seq')"), value(conn, "select lastval()")]
        seen.append(sqlstate(lambda: other.execute("select * from state_t")))
        conn.execute("select pg_advisory_lock(7)")
        seen.append(value(other, "select pg_try_advisory_lock(7)"))
        seen.append(value(conn, "select pg_advisory_unlock(7)"))
        seen.append(value(other, "select pg_try_advisory_lock(7)"))
        seen.append(sqlstate(lambda: other.execute("select lastval()")))
        conn.execute("discard all")
        seen.append(sqlstate(lambda: conn.execute("select * from state_t")))
        return seen


@feature("big")
def big():
    with connect() as conn:
        text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
        length, back = conn.execute("select length(%s::text), %s::text", (text, text)).fetchone()
        equal(back, text, "a value there and back")
        rows = conn.execute("select g, 'row ' || g from generate_series(1, 200000) g").fetchall()
        return length, len(rows), rows[-1]


@feature("sharing")
def sharing():
    conns = [connect(autocommit=False) for _ in range(8)]
    conns[0].execute("create table sharing_t (who int, i int)")
    conns[0].commit()
    for i in range(5):
        for who, conn in enumerate(conns):
            conn.execute("insert into sharing_t values (%s, %s)", (who, i))
            conn.rollback() if who == 3 else conn.commit()
    seen = conns[7].execute("select who, count(*), sum(i) from sharing_t group by who order by who").fetchall()
    conns[7].execute("drop table sharing_t")
    conns[7].commit()
    for conn in conns:
        conn.close()
    return seen


@feature("ask")
def ask():
    with connect() as conn:
        heard = []
        conn.add_notice_handler(lambda diag: heard.append(diag.message_primary))
        count = conn.execute(COUNT_SQL).fetchone()
        groups = sorted(conn.execute(GROUPS_SQL).fetchall())
        for sql in spellings(COUNT):
            # The simple protocol, the extended one, and a named statement.
            for kwargs in [{}, {"binary": True}, {"prepare": True}, {"prepare": True}]:
                equal(conn.execute(sql, **kwargs).fetchone(), count, f"{sql} {kwargs}")
        assert heard and heard[0].startswith("ask: SELECT"), heard
        for sql in spellings(GROUPS):
            equal(sorted(conn.execute(sql).fetchall()), groups, sql)
        with conn.pipeline():
            cursors = [conn.execute(sql) for sql in spellings(COUNT)]
        equal([cursor.fetchone() for cursor in cursors], [count] * len(cursors), "a pipeline")
        conn.autocommit = False
        equal(conn.execute(f"/* ask: {COUNT} */").fetchone(), count, "in a transaction")
        conn.execute("create table written (i int)")
        conn.rollback()
        return count, len(groups)


@feature("ask-parameter")
def ask_parameter():
    with connect() as conn:
        sql = f"select * from ask('{COUNT_IN}', %s)"
        return [value(conn, sql, (country,), prepare=prepare) for country in ("Germany", "nowhere") for prepare in (False, True)]


@feature("ask-in-sql")
def ask_in_sql():
    with connect() as conn:
        seen = [len(conn.execute(f"select * from (/* ask: {GROUPS} */) r limit 3").fetchall())]
        with conn.transaction(), conn.cursor("named") as named:
            named.execute(f"/* ask: {GROUPS} */")
            seen.append(len(named.fetchall()))
        with conn.cursor() as cursor, cursor.copy(f"copy (/* ask: {COUNT} */) to stdout") as copy:
            seen += copy.rows()
        return seen


@feature("ask-refused")
def ask_refused():
    with connect() as conn:
        seen = []
        for kwargs in [{}, {"prepare": True}]:
            run = lambda: conn.execute(f"/* ask: {NONSENSE} */", **kwargs)
            seen.append(fails(psycopg.Error, run, lambda e: (e.sqlstate, "flonks" in str(e))))
        return seen, value(conn, "select 1")


main("psycopg", psycopg.__version__)
