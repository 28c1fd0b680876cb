"""psqlODBC, through pyodbc: prepared by SQLPrepare, cursors by fetch or declared, savepoints of its own, the catalog."""

import os
import threading

import pyodbc

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEP, SLEEPS
from common import equal, fails, feature, main, opened, server, spellings, wait_until

DRIVER = os.environ.get("ODBC_DRIVER", "PostgreSQL Unicode")


def connect(more="", autocommit=True, **kwargs):
    place = "Server={host};Port={port};Database={database};UID={user};PWD={password}".format(**server())
    opened.append(pyodbc.connect(f"Driver={{{DRIVER}}};{place};{more}", autocommit=autocommit, **kwargs))
    return opened[-1]


def rows(conn, sql, *values):
    cursor = conn.execute(sql, *values)
    return [tuple(row) for row in cursor.fetchall()] if cursor.description else cursor.rowcount


def value(conn, sql, *values):
    return rows(conn, sql, *values)[0][0]


def sqlstate(run):
    return fails(pyodbc.Error, run, lambda error: error.args[0])


@feature("options")
def options():
    conn = connect("ConnSettings=set work_mem = '3MB'%3b set search_path = hr;ApplicationName=its own")
    other = connect()
    names = ["work_mem", "search_path", "datestyle", "extra_float_digits"]
    return [[value(conn, f"show {name}") for name in names] + [value(other, "show work_mem")] for _ in range(3)]


@feature("parameters")
def parameters():
    seen = []
    for mode in ("UseServerSidePrepare=1", "UseServerSidePrepare=0"):
        conn = connect(mode)
        seen += rows(conn, "select ?::int, ?::text, ?::text, ?::float8, ?::bytea", 41, None, "ü'\\", 1.5, b"\x00\xff")
        seen += rows(conn, "select '2024-02-29'::date, 1.50::numeric(5, 2), true, '2024-02-29 12:00'::timestamp")
    return seen


@feature("prepared")
def prepared():
    conns = [connect("UseServerSidePrepare=1") for _ in range(3)]
    rows(conns[0], "create table prepared_t (i int primary key)")
    cursors = [conn.cursor() for conn in conns]
    for i in range(30):
        for cursor in cursors:
            equal(cursor.execute("select ?::int * 2", i).fetchval(), i * 2, "a statement of many sessions")
        conns[1].execute("insert into prepared_t values (?)", i)
    seen = value(conns[2], "select count(*) from prepared_t")
    rows(conns[0], "drop table prepared_t")
    return seen


@feature("batch")
def batch():
    conn = connect()
    rows(conn, "create temp table batch_t (i int primary key, t varchar(10))")
    cursor = conn.cursor()
    cursor.fast_executemany = True
    cursor.executemany("insert into batch_t values (?, ?)", [(i, "x") for i in range(1000)])
    state = sqlstate(lambda: cursor.executemany("insert into batch_t values (?, ?)", [(5000, "x"), (1, "x")]))
    return state, value(conn, "select count(*) from batch_t")


@feature("several")
def several():
    conn = connect()
    cursor = conn.execute("select 1; create temp table t (i int); insert into t values (1), (2); select 'b'")
    seen = [cursor.fetchone()[0]]
    while cursor.nextset():
        seen.append(cursor.fetchone()[0] if cursor.description else cursor.rowcount)
    return seen, value(conn, "select count(*) from t")


@feature("transactions")
def transactions():
    conn = connect("Protocol=7.4-1", autocommit=False)  # an error aborts the transaction
    rows(conn, "create temp table t (i int)")
    conn.commit()
    rows(conn, "insert into t values (?)", 1)
    seen = [sqlstate(lambda: rows(conn, "select 1/0"))]
    conn.rollback()
    return seen, value(conn, "select count(*) from t")


@feature("savepoints")
def savepoints():
    conn = connect("Protocol=7.4-2", autocommit=False)  # an error is rolled back to a savepoint of the driver's
    rows(conn, "create temp table t (i int)")
    rows(conn, "insert into t values (?)", 1)
    seen = [sqlstate(lambda: rows(conn, "select 1 / ?::int", 0))]
    rows(conn, "insert into t values (?)", 2)
    conn.commit()
    return seen, rows(conn, "select * from t order by i")


@feature("isolation")
def isolation():
    conn, other = connect(autocommit=False), connect()
    conn.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, pyodbc.SQL_TXN_SERIALIZABLE)
    seen = [value(conn, "show transaction_isolation"), value(other, "show transaction_isolation")]
    conn.rollback()
    reading = connect("ReadOnly=1")
    return seen, sqlstate(lambda: rows(reading, "create table t ()"))


@feature("cursor")
def cursor():
    conn = connect("UseDeclareFetch=1;Fetch=7", autocommit=False)
    cursor = conn.execute("select generate_series(1, 50)")
    seen = [cursor.fetchone()[0], len(cursor.fetchmany(10)), value(conn, "select 'another'"), len(cursor.fetchall())]
    conn.commit()
    return seen


@feature("cancel")
def cancel():
    conn, other = connect(), connect()
    cursor = conn.cursor()

    def when_it_runs():
        wait_until(lambda: value(other, SLEEPS) == 1)
        cursor.cancel()

    thread = threading.Thread(target=when_it_runs)
    thread.start()
    state = sqlstate(lambda: cursor.execute(SLEEP))
    thread.join()
    return state, value(conn, "select 'goes on'")


@feature("errors")
def errors():
    conn = connect()
    rows(conn, "create temp table errors_t (i int primary key check (i > 0), n text not null)")
    seen = []
    for sql in ["select * from no_such_table", "insert into errors_t values (0, '')", "insert into errors_t values (1, null)", "selec"]:
        seen.append(fails(pyodbc.Error, lambda: rows(conn, sql), lambda error: error.args))
    return seen


@feature("settings")
def settings():
    conn, other = connect(), connect()
    sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')"
    rows(conn, "set search_path = hr")
    rows(conn, "set time zone 'Asia/Tokyo'")
    seen = [(rows(conn, sql), rows(other, sql)) for _ in range(3)]
    conn.autocommit = False
    rows(conn, "set local work_mem = '1MB'")
    seen.append(rows(conn, sql))
    conn.rollback()
    return seen, rows(conn, sql)


@feature("state")
def state():
    conn, other = connect(), connect()
    rows(conn, "create temp table state_t (i serial)")
    rows(conn, "insert into state_t default values")
    rows(conn, "select 1 from pg_advisory_lock(7)")
    seen = [value(conn, "select currval('state_t_i_seq')"), sqlstate(lambda: rows(other, "select * from state_t"))]
    return seen, value(other, "select pg_try_advisory_lock(7)"), value(conn, "select pg_advisory_unlock(7)")


@feature("catalog functions")
def catalog():
    cursor = connect().cursor()
    seen = [row.column_name for row in cursor.columns(table="orders")]
    seen.append([row.column_name for row in cursor.primaryKeys(table="order_items")])
    seen.append(len(cursor.foreignKeys(foreignTable="orders").fetchall()))
    seen.append(sorted(row.table_name for row in cursor.tables(schema="hr", tableType="TABLE")))
    return seen


@feature("big")
def big():
    conn = connect("MaxLongVarcharSize=20000000;MaxVarcharSize=255")
    text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
    equal(value(conn, "select ?::text", text), text.replace("\n", "\n"), "a value there and back")
    return len(rows(conn, "select g, 'row ' || g from generate_series(1, 200000) g"))


@feature("sharing")
def sharing():
    conns = [connect(autocommit=False) for _ in range(8)]
    rows(conns[0], "create table sharing_t (who int, i int)")
    conns[0].commit()
    for i in range(5):
        for who, conn in enumerate(conns):
            rows(conn, "insert into sharing_t values (?, ?)", who, i)
            conn.rollback() if who == 3 else conn.commit()
    seen = rows(conns[7], "select who, count(*), sum(i) from sharing_t group by who order by who")
    rows(conns[7], "drop table sharing_t")
    conns[7].commit()
    return seen


@feature("ask")
def ask():
    conn = connect()
    count, groups = rows(conn, COUNT_SQL), sorted(rows(conn, GROUPS_SQL))
    for sql in spellings(COUNT):
        equal(rows(conn, sql), count, sql)
    for sql in spellings(GROUPS):
        equal(sorted(rows(conn, sql)), groups, sql)
    return count, len(groups)


@feature("ask-parameter")
def ask_parameter():
    conn = connect("UseServerSidePrepare=1")
    return [value(conn, f"select * from ask('{COUNT_IN}', ?)", country) for country in ("Germany", "nowhere")]


@feature("ask-in-sql")
def ask_in_sql():
    return len(rows(connect(), f"select * from (/* ask: {GROUPS} */) r limit 3"))


@feature("ask-refused")
def ask_refused():
    conn = connect()
    seen = fails(pyodbc.Error, lambda: rows(conn, f"/* ask: {NONSENSE} */"), lambda e: (e.args[0], "flonks" in e.args[1]))
    return seen, value(conn, "select 1")


pyodbc.pooling = False
main("psqlODBC", connect().getinfo(pyodbc.SQL_DRIVER_VER))
