"""pg8000, in pure Python: unnamed statements in its native interface, prepared ones on demand, text formats."""

import io
import threading

import pg8000
import pg8000.dbapi
import pg8000.native

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE
from common import equal, fails, feature, main, opened, server, spellings, wait_until


def connect(**kwargs):
    opened.append(pg8000.native.Connection(**server(), **kwargs))
    return opened[-1]


def dbapi():
    opened.append(pg8000.dbapi.connect(**server()))
    return opened[-1]


def sqlstate(run):
    return fails(pg8000.Error, run, lambda error: error.args[0]["C"])


def value(conn, sql, **kwargs):
    return conn.run(sql, **kwargs)[0][0]


@feature("options")
def options():
    conn, other = connect(application_name="its own", startup_params={"work_mem": "3MB", "search_path": "hr"}), connect()
    seen = []
    for _ in range(3):
        seen.append([value(conn, f"show {name}") for name in ["application_name", "work_mem", "search_path"]])
        equal(value(other, "show work_mem"), "4MB", "another session")
    equal(seen[0], ["its own", "3MB", "hr"], "settings")
    return seen


@feature("parameters")
def parameters():
    conn = connect()
    row = [41, None, "ü'\\", 1.5, True, [1, 2, None], b"\x00\xff"]
    sql = "select cast(:a as int), cast(:b as text), cast(:c as text), cast(:d as float8), cast(:e as bool), cast(:f as int[]), cast(:g as bytea)"
    equal(conn.run(sql, **dict(zip("abcdefg", row))), [row], "a row")
    return row, conn.run("select date '2024-02-29', 1.50, interval '1 day', jsonb '{\"n\": 1}'")


@feature("prepared")
def prepared():
    conns = [connect() for _ in range(4)]
    conns[0].run("create table prepared_t (i int primary key)")
    statements = [conn.prepare("select cast(:i as int) * 2") for conn in conns]
    insert = conns[1].prepare("insert into prepared_t values (:i)")
    for i in range(30):
        for statement in statements:
            equal(statement.run(i=i), [[i * 2]], "a statement of many sessions")
        conns[1].run("begin")
        insert.run(i=i)
        conns[1].run("commit")
    insert.close()
    seen = [value(conns[2], "select count(*) from prepared_t"), [c["name"] for c in statements[0].columns]]
    conns[3].run("drop table prepared_t")
    return seen


@feature("batch")
def batch():
    conn = dbapi()
    cursor = conn.cursor()
    cursor.execute("create temp table batch_t (i int primary key)")
    cursor.executemany("insert into batch_t values (%s)", [(i,) for i in range(300)])
    conn.commit()
    return sqlstate(lambda: cursor.executemany("insert into batch_t values (%s)", [(700,), (1,)])), conn.rollback()


@feature("several")
def several():
    conn = connect()
    seen = [conn.run("select 1; create temp table several_t (i int); insert into several_t values (1), (2); select 'b'")]
    seen.append(sqlstate(lambda: conn.run("insert into several_t values (3); select 1/0; select 2")))
    return seen, value(conn, "select count(*) from several_t")


@feature("transactions")
def transactions():
    conn = dbapi()
    cursor = conn.cursor()
    cursor.execute("create temp table transactions_t (i int)")
    conn.commit()
    cursor.execute("insert into transactions_t values (%s)", (1,))
    conn.rollback()
    cursor.execute("select count(*) from transactions_t")
    seen = list(cursor.fetchall())
    for sql in ["select 1/0", "select 1"]:
        seen.append(sqlstate(lambda: cursor.execute(sql)))
    conn.rollback()
    cursor.execute("select 'goes on'")
    return seen + list(cursor.fetchall())


@feature("savepoints")
def savepoints():
    conn = connect()
    conn.run("start transaction")
    conn.run("create temp table savepoints_t (i int)")
    conn.run("savepoint a")
    seen = [sqlstate(lambda: conn.run("insert into savepoints_t values (:i / 0)", i=1))]
    conn.run("rollback to savepoint a")
    conn.run("insert into savepoints_t values (:i)", i=2)
    conn.run("release savepoint a")
    conn.run("commit")
    return seen, conn.run("select * from savepoints_t")


@feature("isolation")
def isolation():
    conn, other = connect(), connect()
    sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    conn.run("start transaction isolation level serializable, read only")
    seen = [conn.run(sql), other.run(sql), sqlstate(lambda: conn.run("create table isolation_t ()"))]
    conn.run("rollback")
    return seen, conn.run(sql)


@feature("copy-in")
def copy_in():
    conn = connect()
    conn.run("create temp table copy_t (i int, t text)")
    conn.run("copy copy_t from stdin", stream=io.BytesIO("".join(f"{i}\tü\n" for i in range(20000)).encode()))
    seen = [conn.row_count]
    conn.run("copy copy_t from stdin with (format csv)", stream=iter([b"1,x\n", b"2,\n"]))
    seen.append(conn.row_count)
    seen.append(sqlstate(lambda: conn.run("copy copy_t from stdin", stream=io.BytesIO(b"no number\tx\n" * 1000))))
    return seen, value(conn, "select count(*) from copy_t")


@feature("copy-out")
def copy_out():
    conn, out = connect(), io.BytesIO()
    conn.run("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout", stream=out)
    sql = "copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout"
    return len(out.getvalue()), sqlstate(lambda: conn.run(sql, stream=io.BytesIO())), value(conn, "select 1")


@feature("notify")
def notify():
    conn, other = connect(), connect()
    conn.run("listen chan")
    other.run("notify chan, 'while idle'")
    # It has no way to wait for a notification alone: one comes with the next answer.
    wait_until(lambda: conn.run("select 1") and conn.notifications)
    return [(channel, payload) for _, channel, payload in conn.notifications]


@feature("errors")
def errors():
    conn = connect()
    conn.run("create temp table errors_t (i int primary key check (i > 0), n text not null)")
    seen = []
    for sql in [
        "select * from no_such_table",
        "insert into errors_t values (0, '')",
        "insert into errors_t values (1, null)",
        "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
        "do $$begin execute 'select 1 +'; end$$",
        "selec",
    ]:
        for run in (lambda: conn.run(sql), lambda: conn.prepare(sql).run()):
            seen.append(fails(pg8000.Error, run, lambda e: {k: v for k, v in e.args[0].items() if k not in "sFLR"}))
    return seen


@feature("notices")
def notices():
    conn = connect()
    conn.run("do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; end$$")
    return [{k: v for k, v in n.items() if k in (b"S", b"C", b"M", b"H")} for n in conn.notices]


@feature("settings")
def settings():
    conn, other = connect(), connect()
    sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')"
    conn.run("set search_path = hr")
    conn.run("set time zone 'Asia/Tokyo'")
    seen = []
    for _ in range(3):
        seen += [conn.run(sql), other.run(sql), conn.run("select count(*) > 0 from employees where id > :id", id=0)]
    conn.run("begin")
    conn.run("set local work_mem = '1MB'")
    conn.run("set time zone 'Europe/Paris'")
    seen += [conn.run(sql), conn.run("rollback"), conn.run(sql)]
    return seen, conn.parameter_statuses["TimeZone"]


@feature("state")
def state():
    conn, other = connect(), connect()
    conn.run("create temp table state_t (i serial)")
    conn.run("insert into state_t default values")
    seen = [value(conn, "select currval('state_t_i_seq')"), sqlstate(lambda: other.run("select * from state_t"))]
    conn.run("select pg_advisory_lock(:key)", key=7)
    seen.append(value(other, "select pg_try_advisory_lock(7)"))
    seen.append(value(conn, "select pg_advisory_unlock(:key)", key=7))
    seen.append(value(other, "select pg_try_advisory_lock(7)"))
    return seen


@feature("big")
def big():
    conn = connect()
    text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
    ((length, back),) = conn.run("select length(cast(:t as text)), cast(:t as text)", t=text)
    equal(back, text, "a value there and back")
    rows = conn.run("select g, 'row ' || g from generate_series(1, 200000) g")
    return length, len(rows), rows[-1]


@feature("sharing")
def sharing():
    conns = [connect() for _ in range(8)]
    conns[0].run("create table sharing_t (who int, i int)")

    def work(who, conn):
        for i in range(20):
            conn.run("begin")
            conn.run("insert into sharing_t values (:who, :i)", who=who, i=i)
            conn.run("rollback" if who == 3 else "commit")

    threads = [threading.Thread(target=work, args=one) for one in enumerate(conns)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = conns[7].run("select who, count(*), sum(i) from sharing_t group by who order by who")
    conns[7].run("drop table sharing_t")
    return seen


@feature("ask")
def ask():
    conn = connect()
    count, groups = conn.run(COUNT_SQL), sorted(conn.run(GROUPS_SQL))
    # Its native interface takes a colon and what follows for a placeholder, in a comment as well.
    for sql in [spelling for spelling in spellings(COUNT) if ":" not in spelling]:
        equal(conn.run(sql), count, sql)
        statement = conn.prepare(sql)
        equal([statement.run(), statement.run()], [count, count], sql)
    cursor = dbapi().cursor()
    for sql in spellings(GROUPS):
        cursor.execute(sql)
        equal(sorted(map(list, cursor.fetchall())), groups, sql)
    return count, len(groups), any(notice[b"M"].startswith(b"ask: SELECT") for notice in conn.notices)


@feature("ask-parameter")
def ask_parameter():
    conn = connect()
    statement = conn.prepare(f"select * from ask('{COUNT_IN}', :country)")
    return conn.run(f"select * from ask('{COUNT_IN}', :country)", country="Germany"), statement.run(country="nowhere")


@feature("ask-in-sql")
def ask_in_sql():
    cursor, out = dbapi().cursor(), io.BytesIO()
    cursor.execute(f"copy (/* ask: {COUNT} */) to stdout", stream=out)
    cursor.execute(f"select * from (/* ask: {GROUPS} */) r limit %s", (3,))
    return len(cursor.fetchall()), out.getvalue()


@feature("ask-refused")
def ask_refused():
    conn = connect()
    run = lambda: conn.run(f"ask {NONSENSE}")
    return fails(pg8000.Error, run, lambda e: (e.args[0]["C"], "flonks" in e.args[0]["M"])), value(conn, "select 1")


main("pg8000", pg8000.__version__)
