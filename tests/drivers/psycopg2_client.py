"""psycopg2: the simple protocol throughout, binding by the client, named cursors, COPY through files, polling."""

import io
import select
import threading

import psycopg2
import psycopg2.extras
import psycopg2.pool
from psycopg2 import extensions

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEP, SLEEPS
from common import equal, fails, feature, main, opened, spellings, wait_until


def connect(autocommit=True, **kwargs):
    conn = psycopg2.connect("", **kwargs)
    conn.autocommit = autocommit
    opened.append(conn)
    return conn


def sqlstate(run):
    return fails(psycopg2.Error, run, lambda error: error.pgcode)


def rows(conn, *args):
    with conn.cursor() as cursor:
        cursor.execute(*args)
        return cursor.fetchall() if cursor.description else cursor.statusmessage


def value(conn, *args):
    return rows(conn, *args)[0][0]


@feature("options")
def options():
    conn = connect(application_name="its own", client_encoding="latin1", options="-c work_mem=3MB -c search_path=hr")
    other = connect()
    seen = []
    for _ in range(3):
        names = ["application_name", "client_encoding", "work_mem", "search_path"]
        seen.append([value(conn, f"show {name}") for name in names] + [value(conn, "select 'ü'")])
        equal(value(other, "show work_mem"), "4MB", "another session")
    equal(seen[0], ["its own", "LATIN1", "3MB", "hr", "ü"], "settings")
    return seen


@feature("parameters")
def parameters():
    conn = connect()
    row = (41, None, "ü'\\", 1.5, True, [1, 2, None])
    equal(rows(conn, "select %s, %s, %s, %s::float8, %s, %s", row), [row], "a row")
    data = bytes(value(conn, "select %s", (psycopg2.Binary(b"\x00\xff"),)))
    doc = value(conn, "select %s::jsonb", (psycopg2.extras.Json({"n": [1, "é"]}),))
    return row, data, doc, rows(conn, "select '2024-02-29'::date, 1.50, '1 day'::interval, int4range(1, 5)")


@feature("prepared")
def prepared():
    conns = [connect() for _ in range(3)]
    for who, conn in enumerate(conns):
        rows(conn, f"prepare p (int) as select $1 * {who + 1}")
    seen = [[value(conn, "execute p (%s)", (i,)) for conn in conns] for i in range(4)]
    rows(conns[0], "deallocate p")
    return seen, sqlstate(lambda: rows(conns[0], "execute p (1)")), value(conns[1], "execute p (7)")


@feature("batch")
def batch():
    conn = connect()
    rows(conn, "create temp table batch_t (i int primary key, t text)")
    with conn.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "insert into batch_t values %s", [(i, "x") for i in range(500)])
        psycopg2.extras.execute_batch(cursor, "update batch_t set t = %s where i = %s", [("y", i) for i in range(250)])
        cursor.executemany("delete from batch_t where i = %s", [(i,) for i in range(10)])
        more = [(700, "z"), (499, "z")]
        state = sqlstate(lambda: psycopg2.extras.execute_values(cursor, "insert into batch_t values %s", more))
    return state, rows(conn, "select t, count(*) from batch_t group by t order by t")


@feature("several")
def several():
    conn = connect()
    seen = [rows(conn, "select 1; create temp table several_t (i int); insert into several_t values (1), (2); select 'b'")]
    seen.append(sqlstate(lambda: rows(conn, "insert into several_t values (3); select 1/0; select 2")))
    return seen, value(conn, "select count(*) from several_t")


@feature("transactions")
def transactions():
    conn = connect(autocommit=False)
    rows(conn, "create table transactions_t (i int)")
    conn.commit()
    rows(conn, "insert into transactions_t values (1)")
    conn.rollback()
    seen = [value(conn, "select count(*) from transactions_t")]
    seen.append(sqlstate(lambda: value(conn, "select 1/0")))
    seen.append(sqlstate(lambda: value(conn, "select 1")))
    seen.append(conn.info.transaction_status == extensions.TRANSACTION_STATUS_INERROR)
    conn.rollback()
    with conn:  # commits at its end
        rows(conn, "drop table transactions_t")
    conn.tpc_begin(conn.xid(1, "gtrid", "bqual"))
    rows(conn, "select 1")
    seen.append(sqlstate(conn.tpc_prepare))
    return seen


@feature("savepoints")
def savepoints():
    conn = connect(autocommit=False)
    rows(conn, "create temp table savepoints_t (i int)")
    rows(conn, "savepoint a")
    seen = [sqlstate(lambda: rows(conn, "insert into savepoints_t values (1 / 0)"))]
    rows(conn, "rollback to savepoint a")
    rows(conn, "insert into savepoints_t values (2)")
    rows(conn, "release savepoint a")
    conn.commit()
    return seen, rows(conn, "select * from savepoints_t")


@feature("isolation")
def isolation():
    conn, other = connect(autocommit=False), connect()
    conn.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    seen = [rows(conn, sql), sqlstate(lambda: rows(conn, "create table isolation_t ()"))]
    conn.rollback()
    seen.append(rows(other, sql))
    conn.set_session(isolation_level="REPEATABLE READ", readonly=False)
    seen.append(rows(conn, sql))
    conn.rollback()
    conn.autocommit = True
    conn.set_session(readonly=True)  # now a SET of the session's default
    seen.append(sqlstate(lambda: rows(conn, "create table isolation_t ()")))
    seen.append(rows(other, sql))
    return seen


@feature("cursor")
def cursor():
    conn = connect(autocommit=False)
    with conn.cursor("named") as named:
        named.itersize = 7
        named.execute("select generate_series(1, 50)")
        equal([i for (i,) in named], list(range(1, 51)), "rows")
    with conn.cursor("scrolled", scrollable=True) as scrolled:
        scrolled.execute("select generate_series(1, 50)")
        scrolled.scroll(40)
        seen = [scrolled.fetchone()]
        scrolled.scroll(-20)
        seen.append(scrolled.fetchmany(3))
    with conn.cursor("held", withhold=True) as held:
        held.execute("select generate_series(1, 9)")
        conn.commit()
        rows(connect(), "select 1")
        seen += [held.fetchmany(4), held.fetchall()]
    return seen


@feature("copy-in")
def copy_in():
    conn = connect()
    rows(conn, "create temp table copy_t (i int, t text)")
    with conn.cursor() as cursor:
        cursor.copy_expert("copy copy_t from stdin", io.StringIO("".join(f"{i}\tü\n" for i in range(20000))))
        cursor.copy_from(io.StringIO("1|x\n2|\\N\n"), "copy_t", sep="|")
        seen = [cursor.rowcount]
        seen.append(sqlstate(lambda: cursor.copy_expert("copy copy_t from stdin", io.StringIO("no number\tx\n" * 1000))))

        class Broken:
            def read(self, size):
                raise OSError("given up")

        seen.append(fails(psycopg2.Error, lambda: cursor.copy_expert("copy copy_t from stdin", Broken()), lambda e: e.pgcode))
    return seen, value(conn, "select count(*) from copy_t")


@feature("copy-out")
def copy_out():
    conn, out = connect(), io.StringIO()
    with conn.cursor() as cursor:
        cursor.copy_expert("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout", out)
        sql = "copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout"
        return len(out.getvalue()), sqlstate(lambda: cursor.copy_expert(sql, io.StringIO())), value(conn, "select 1")


@feature("notify")
def notify():
    conn, other = connect(), connect()
    rows(conn, "listen chan")
    threading.Timer(0.2, lambda: rows(other, "notify chan, 'while idle'")).start()
    equal(select.select([conn], [], [], 10)[0], [conn], "something to read")
    conn.poll()
    seen = [(n.channel, n.payload) for n in conn.notifies]
    rows(conn, "unlisten chan")
    rows(other, "notify chan, 'unheard'")
    rows(conn, "select 1")
    return seen, len(conn.notifies)


@feature("cancel")
def cancel():
    conn, other = connect(), connect()

    def when_it_runs():
        wait_until(lambda: value(other, SLEEPS) == 1)
        conn.cancel()

    thread = threading.Thread(target=when_it_runs)
    thread.start()
    seen = [sqlstate(lambda: value(conn, SLEEP))]
    thread.join()
    return seen, value(conn, "select 'goes on'")


@feature("errors")
def errors():
    conn = connect()
    rows(conn, "create temp table errors_t (i int primary key check (i > 0), n text not null)")
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
        one = fails(psycopg2.Error, lambda: rows(conn, sql), lambda error: [getattr(error.diag, f) for f in fields])
        seen.append([field for field in one if field is not None])
    return seen


@feature("notices")
def notices():
    conn = connect()
    rows(conn, "do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; raise debug 'unheard'; end$$")
    rows(conn, "drop table if exists not_there")
    rows(conn, "set client_min_messages = error")
    rows(conn, "do $$begin raise notice 'unheard'; end$$")
    return conn.notices


@feature("settings")
def settings():
    conn, other = connect(autocommit=False), connect()
    names = ["search_path", "timezone", "datestyle", "client_encoding"]
    show = lambda who: [value(who, f"show {name}") for name in names]
    rows(conn, "set search_path = hr")
    rows(conn, "set time zone 'Asia/Tokyo'")
    conn.commit()
    conn.set_client_encoding("LATIN1")
    seen = []
    for _ in range(3):
        seen += [show(conn), show(other), value(conn, "select 'é'"), value(conn, "select count(*) > 0 from employees")]
        conn.commit()
    rows(conn, "set time zone 'Europe/Paris'")
    rows(conn, "set local datestyle = 'german'")
    seen.append(show(conn))
    conn.rollback()
    seen.append(show(conn))
    conn.reset()
    return seen, show(conn), conn.get_parameter_status("TimeZone")


@feature("state")
def state():
    conn, other = connect(), connect()
    rows(conn, "create temp table state_t (i serial)")
    rows(conn, "insert into state_t default values")
    seen = [value(conn, "select currval('state_t_i_seq')"), sqlstate(lambda: rows(other, "select * from state_t"))]
    rows(conn, "select pg_advisory_lock(7)")
    seen.append(value(other, "select pg_try_advisory_lock(7)"))
    seen.append(value(conn, "select pg_advisory_unlock(7)"))
    seen.append(value(other, "select pg_try_advisory_lock(7)"))
    seen.append(sqlstate(lambda: rows(other, "select lastval()")))
    rows(conn, "discard all")
    return seen, sqlstate(lambda: rows(conn, "select * from state_t"))


@feature("big")
def big():
    conn = connect()
    text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
    ((length, back),) = rows(conn, "select length(%s), %s", (text, text))
    equal(back, text, "a value there and back")
    many = rows(conn, "select g, 'row ' || g from generate_series(1, 200000) g")
    return length, len(many), many[-1]


@feature("sharing")
def sharing():
    conns = [connect(autocommit=False) for _ in range(8)]
    rows(conns[0], "create table sharing_t (who int, i int)")
    conns[0].commit()
    for i in range(5):
        for who, conn in enumerate(conns):
            rows(conn, "insert into sharing_t values (%s, %s)", (who, i))
            conn.rollback() if who == 3 else conn.commit()
    seen = rows(conns[7], "select who, count(*), sum(i) from sharing_t group by who order by who")
    rows(conns[7], "drop table sharing_t")
    conns[7].commit()
    return seen


@feature("pool")
def pool():
    pool = psycopg2.pool.ThreadedConnectionPool(4, 4, "")

    def work(out, i):
        for n in range(10):
            conn = pool.getconn()
            out.append(value(conn, "select %s", (i * 10 + n,)))
            pool.putconn(conn)  # rolls back

    out = []
    threads = [threading.Thread(target=work, args=(out, i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.closeall()
    return sorted(out) == list(range(40))


@feature("large objects")
def large_objects():
    conn = connect(autocommit=False)
    large = conn.lobject(0, "wb")
    large.write(b"0123456789" * 100000)
    large.close()
    conn.commit()
    again = conn.lobject(large.oid, "rb")
    again.seek(999995)
    seen = again.read()
    again.unlink()
    conn.commit()
    return seen, fails(psycopg2.Error, lambda: conn.lobject(large.oid, "rb"), lambda error: type(error).__name__)


@feature("asynchronous connection")
def asynchronous():
    conn = psycopg2.connect("", async_=True)
    opened.append(conn)

    def wait():
        while (state := conn.poll()) != extensions.POLL_OK:
            ready = ([conn], []) if state == extensions.POLL_READ else ([], [conn])
            assert any(select.select(*ready, [], 10)), "no answer"

    wait()
    cursor = conn.cursor()
    cursor.execute("select generate_series(1, 3)")
    wait()
    return cursor.fetchall()


@feature("ask")
def ask():
    conn = connect()
    count, groups = rows(conn, COUNT_SQL), sorted(rows(conn, GROUPS_SQL))
    for sql in spellings(COUNT):
        equal(rows(conn, sql), count, sql)
    for sql in spellings(GROUPS):
        equal(sorted(rows(conn, sql)), groups, sql)
    assert conn.notices[0].startswith("NOTICE:  ask: SELECT"), conn.notices
    conn.autocommit = False
    equal(rows(conn, f"/* ask: {COUNT} */"), count, "in a transaction")
    rows(conn, "create table written (i int)")
    conn.rollback()
    return count, len(groups)


@feature("ask-in-sql")
def ask_in_sql():
    conn = connect(autocommit=False)
    seen = [len(rows(conn, f"select * from (/* ask: {GROUPS} */) r limit %s", (3,)))]
    with conn.cursor("named") as named:
        named.execute(f"/* ask: {GROUPS} */")
        seen.append(len(named.fetchall()))
    out = io.StringIO()
    with conn.cursor() as cursor:
        cursor.copy_expert(f"copy (/* ask: {COUNT} */) to stdout", out)
    # The client has put the argument into the text: a literal, to the server.
    return seen, out.getvalue(), value(conn, f"select * from ask('{COUNT_IN}', %s)", ("Germany",))


@feature("ask-refused")
def ask_refused():
    conn = connect()
    seen = fails(psycopg2.Error, lambda: rows(conn, f"/* ask: {NONSENSE} */"), lambda e: (e.pgcode, "flonks" in str(e)))
    return seen, value(conn, "select 1")


main("psycopg2", psycopg2.__version__.split()[0])
