"""asyncpg: always the extended protocol with binary formats, its own statement cache, and a pool that resets."""

import asyncio
import datetime
import decimal
import io

import asyncpg

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEP, SLEEPS
from common import equal, feature, main, spellings


async def sqlstate(awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        return error.sqlstate
    raise AssertionError("no error")


@feature("options")
async def options():
    given = {"application_name": "its own", "work_mem": "3MB", "search_path": "hr", "timezone": "Asia/Tokyo"}
    conn = await asyncpg.connect(server_settings=given)
    other = await asyncpg.connect()
    seen = []
    for _ in range(3):
        seen.append([await conn.fetchval(f"show {name}") for name in given])
        equal(await other.fetchval("show work_mem"), "4MB", "another session")
    equal(seen[0], list(given.values()), "settings")
    await conn.close()
    await other.close()
    return seen, conn.get_settings().TimeZone


@feature("parameters")
async def parameters():
    conn = await asyncpg.connect()
    row = (41, None, "ü'\\", 1.5, True, [1, 2, None], b"\x00\xff", '{"n": 1}')
    sql = "select $1::int, $2::text, $3::text, $4::float8, $5::bool, $6::int[], $7::bytea, $8::json"
    equal(tuple(await conn.fetchrow(sql, *row)), row, "a row")
    await conn.close()
    return row


@feature("binary")
async def binary():
    conn = await asyncpg.connect()
    sql = "select $1::date, $2::numeric, $3::timestamptz, $4::interval, int4range(1, 5), row(1, 'ü'), inet '10.0.0.1', $5::uuid"
    at = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    given = (datetime.date(2024, 2, 29), decimal.Decimal("1.50"), at, datetime.timedelta(days=1), "00000000-0000-0000-0000-000000000007")
    seen = list(await conn.fetchrow(sql, *given))
    await conn.execute("create type pair as (a int, b text)")
    await conn.execute("create type mood as enum ('sad', 'glad')")
    # Types it does not know it looks up in the catalog, with statements of its own.
    seen += [await conn.fetchval("select array[(1, 'x')::pair]"), await conn.fetchval("select $1::mood[]", ["sad"])]
    await conn.execute("drop type pair; drop type mood")
    await conn.close()
    return seen


@feature("prepared")
async def prepared():
    conns = [await asyncpg.connect() for _ in range(4)]
    await conns[0].execute("create table prepared_t (i int primary key, t text)")
    statement = await conns[1].prepare("insert into prepared_t values ($1, $2)", name="an_insert")
    other = await conns[2].prepare("select t from prepared_t where i = $1", name="an_insert")
    for i in range(30):
        for conn in conns:
            equal(await conn.fetchval("select $1::int * 2", i), i * 2, "a cached statement of many sessions")
        async with conns[1].transaction():
            await statement.fetch(i, str(i))
        equal(await other.fetchval(i), str(i), "the same name in another session")
    seen = [[a.name for a in other.get_attributes()], [p.name for p in statement.get_parameters()], statement.get_statusmsg()]
    # Its cached plan is of no use any more; asyncpg prepares anew by itself.
    await conns[3].fetch("select * from prepared_t where i = 1")
    await conns[0].execute("alter table prepared_t add column more int default 5")
    seen.append(tuple(await conns[3].fetchrow("select * from prepared_t where i = 1")))
    await conns[0].execute("drop table prepared_t")
    for conn in conns:
        await conn.close()
    return seen


@feature("batch")
async def batch():
    conn = await asyncpg.connect()
    await conn.execute("create temp table batch_t (i int primary key)")
    await conn.executemany("insert into batch_t values ($1)", [(i,) for i in range(5000)])
    more = [(7000,), (1,), (7001,)]
    seen = [await sqlstate(conn.executemany("insert into batch_t values ($1)", more))]
    seen.append(await conn.fetchval("select count(*) from batch_t"))
    found = await conn.fetchmany("insert into batch_t values ($1) returning i", [(9000,), (9001,)])
    await conn.close()
    return seen, [tuple(row) for row in found]


@feature("several")
async def several():
    conn = await asyncpg.connect()
    seen = [await conn.execute("create temp table several_t (i int); insert into several_t values (1), (2); select 1")]
    seen.append(await sqlstate(conn.execute("insert into several_t values (3); select 1/0; select 2")))
    seen.append(await sqlstate(conn.fetch("select 1; select 2")))
    seen.append(await conn.fetchval("select count(*) from several_t"))
    await conn.close()
    return seen


@feature("transactions")
async def transactions():
    conn = await asyncpg.connect()
    await conn.execute("create temp table transactions_t (i int)")
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute("insert into transactions_t values (1)")
    await transaction.rollback()
    seen = [await conn.fetchval("select count(*) from transactions_t")]
    await conn.execute("begin")
    seen.append(await sqlstate(conn.execute("select 1/0")))
    seen.append(await sqlstate(conn.fetchval("select $1::int", 1)))
    await conn.execute("rollback")
    seen.append(conn.is_in_transaction())
    await conn.close()
    return seen


@feature("savepoints")
async def savepoints():
    conn = await asyncpg.connect()
    await conn.execute("create temp table savepoints_t (i int)")
    async with conn.transaction():
        try:
            async with conn.transaction():
                await conn.execute("insert into savepoints_t values ($1)", 1)
                await conn.execute("select 1/0")
        except asyncpg.DivisionByZeroError:
            pass
        async with conn.transaction():
            await conn.execute("insert into savepoints_t values ($1)", 2)
    seen = [row["i"] for row in await conn.fetch("select i from savepoints_t")]
    await conn.close()
    return seen


@feature("isolation")
async def isolation():
    conn, other = await asyncpg.connect(), await asyncpg.connect()
    sql = "select current_setting('transaction_isolation') || current_setting('transaction_read_only')"
    seen = []
    async with conn.transaction(isolation="serializable", readonly=True, deferrable=True):
        seen += [await conn.fetchval(sql), await other.fetchval(sql)]
        try:
            async with conn.transaction():
                await conn.execute("create table isolation_t ()")
        except asyncpg.ReadOnlySQLTransactionError as error:
            seen.append(error.sqlstate)
    seen.append(await conn.fetchval(sql))
    await conn.close()
    await other.close()
    return seen


@feature("cursor")
async def cursor():
    conn = await asyncpg.connect()
    async with conn.transaction():
        portal = await conn.cursor("select generate_series(1, $1)", 50)
        seen = [[row[0] for row in await portal.fetch(5)], tuple(await portal.fetchrow())]
        await portal.forward(10)
        seen.append([row[0] for row in await portal.fetch(3)])
        # Two portals at once, and other statements between.
        equal([row[0] async for row in conn.cursor("select generate_series(1, 50)", prefetch=7)], list(range(1, 51)), "rows")
        seen.append([row[0] for row in await portal.fetch(100)][-1])
    await conn.close()
    return seen


@feature("copy-in")
async def copy_in():
    conn = await asyncpg.connect()
    await conn.execute("create temp table copy_t (i int, t text)")
    seen = [await conn.copy_records_to_table("copy_t", records=[(i, "ü" * 20) for i in range(20000)])]
    seen.append(await conn.copy_to_table("copy_t", source=io.BytesIO(b"1,x\n2,\n"), format="csv"))
    seen.append(await sqlstate(conn.copy_to_table("copy_t", source=io.BytesIO(b"no number\tx\n" * 1000))))

    async def broken():
        yield b"1\tx\n"
        raise OSError("given up")

    try:
        await conn.copy_to_table("copy_t", source=broken())
    except OSError as error:
        seen.append(str(error))
    seen.append(await conn.fetchval("select count(*) from copy_t"))
    await conn.close()
    return seen


@feature("copy-out")
async def copy_out():
    conn, out = await asyncpg.connect(), io.BytesIO()
    seen = [await conn.copy_from_query("select g, repeat('x', 100) from generate_series(1, $1::int) g", 50000, output=out)]
    seen.append(len(out.getvalue()))
    failing = conn.copy_from_query("select 1 / (3 - g) from generate_series(1, 5) g", output=io.BytesIO())
    seen += [await sqlstate(failing), await conn.fetchval("select 1")]
    await conn.close()
    return seen


@feature("notify")
async def notify():
    conn, other = await asyncpg.connect(), await asyncpg.connect()
    heard = asyncio.get_running_loop().create_future()
    listener = lambda _conn, _pid, channel, payload: heard.set_result((channel, payload))
    await conn.add_listener("chan", listener)
    await asyncio.sleep(0.2)  # idle
    await other.execute("notify chan, 'while idle'")
    seen = await asyncio.wait_for(heard, 10)
    await conn.remove_listener("chan", listener)
    await conn.close()
    await other.close()
    return seen


@feature("cancel")
async def cancel():
    conn, other = await asyncpg.connect(), await asyncpg.connect()
    seen = []
    task = asyncio.create_task(conn.execute(SLEEP))
    while await other.fetchval(SLEEPS) != 1:
        pass
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        seen.append("cancelled")
    seen.append(await conn.fetchval("select 'goes on'"))
    try:
        await conn.fetchval("select pg_sleep(60)", timeout=0.2)
    except asyncio.TimeoutError:
        seen.append("timeout")
    seen.append(await conn.fetchval("select 'goes on'"))
    await conn.close()
    await other.close()
    return seen


@feature("errors")
async def errors():
    conn = await asyncpg.connect()
    await conn.execute("create temp table errors_t (i int primary key check (i > 0), n text not null)")
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
        for run in (conn.execute, conn.fetch):
            try:
                await run(sql)
            except asyncpg.PostgresError as error:
                fields = {k: v for k, v in error.as_dict().items() if not k.startswith("server_") and k != "schema_name"}
                seen.append(fields)
    await conn.close()
    return seen


@feature("notices")
async def notices():
    conn = await asyncpg.connect()
    heard = []
    conn.add_log_listener(lambda _, message: heard.append((message.severity, message.sqlstate, message.message, message.hint)))
    await conn.execute("do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; raise debug 'unheard'; end$$")
    await conn.fetch("drop table if exists not_there")
    await asyncio.sleep(0)
    await conn.close()
    return heard


@feature("settings")
async def settings():
    conn, other = await asyncpg.connect(), await asyncpg.connect()
    show = lambda who: who.fetchrow("select current_setting('search_path'), current_setting('timezone'), current_setting('datestyle')")
    await conn.execute("set search_path = hr; set time zone 'Asia/Tokyo'")
    seen = []
    for _ in range(3):
        seen += [tuple(await show(conn)), tuple(await show(other)), await conn.fetchval("select count(*) > 0 from employees")]
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute("set local work_mem = '1MB'; set time zone 'Europe/Paris'")
    seen += [await conn.fetchval("show work_mem"), conn.get_settings().TimeZone]
    await transaction.rollback()
    seen += [await conn.fetchval("show work_mem"), conn.get_settings().TimeZone]
    await conn.reset()
    seen += [tuple(await show(conn)), conn.get_settings().TimeZone]
    await conn.close()
    await other.close()
    return seen


@feature("state")
async def state():
    conn, other = await asyncpg.connect(), await asyncpg.connect()
    await conn.execute("create temp table state_t (i serial); insert into state_t default values")
    seen = [await conn.fetchval("select currval('state_t_i_seq')"), await sqlstate(other.fetch("select * from state_t"))]
    await conn.fetch("select pg_advisory_lock($1)", 7)
    seen.append(await other.fetchval("select pg_try_advisory_lock(7)"))
    seen.append(await conn.fetchval("select pg_advisory_unlock(7)"))
    seen.append(await other.fetchval("select pg_try_advisory_lock(7)"))
    seen.append(await sqlstate(other.fetch("select lastval()")))
    await conn.close()
    await other.close()
    return seen


@feature("big")
async def big():
    conn = await asyncpg.connect()
    text = "0123456789abcde\n" * (10 * 1024 * 1024 // 16)
    length, back = await conn.fetchrow("select length($1::text), $1::text", text)
    equal(back, text, "a value there and back")
    rows = await conn.fetch("select g, 'row ' || g from generate_series(1, 200000) g")
    await conn.close()
    return length, len(rows), tuple(rows[-1])


@feature("sharing")
async def sharing():
    conns = [await asyncpg.connect() for _ in range(8)]
    await conns[0].execute("create table sharing_t (who int, i int)")

    async def work(who, conn):
        for i in range(20):
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute("insert into sharing_t values ($1, $2)", who, i)
            await (transaction.rollback() if who == 3 else transaction.commit())

    await asyncio.gather(*(work(who, conn) for who, conn in enumerate(conns)))
    seen = await conns[7].fetch("select who, count(*), sum(i) from sharing_t group by who order by who")
    await conns[7].execute("drop table sharing_t")
    for conn in conns:
        await conn.close()
    return [tuple(row) for row in seen]


@feature("pool")
async def pool():
    async with asyncpg.create_pool(min_size=1, max_size=3) as pool:

        async def one(i):
            async with pool.acquire() as conn:
                await conn.execute("set work_mem = '1MB'")
                return await conn.fetchval("select $1::int * 2", i)

        equal(await asyncio.gather(*map(one, range(100))), [i * 2 for i in range(100)], "pool")
        async with pool.acquire() as conn:
            return await conn.fetchval("show work_mem")


@feature("ask")
async def ask():
    conn = await asyncpg.connect()
    heard = []
    conn.add_log_listener(lambda _, message: heard.append(message.message))
    count = await conn.fetchval(COUNT_SQL)
    groups = sorted(map(tuple, await conn.fetch(GROUPS_SQL)))
    for sql in spellings(COUNT):
        equal(await conn.execute(sql), "SELECT 1", sql)
        for _ in range(2):
            equal(await conn.fetchval(sql), count, sql)
    assert heard and heard[0].startswith("ask: SELECT"), heard
    for sql in spellings(GROUPS):
        equal(sorted(map(tuple, await conn.fetch(sql))), groups, sql)
    statement = await conn.prepare(f"ask {GROUPS}")
    equal(len(statement.get_attributes()), 2, "attributes")
    for _ in range(3):
        equal(sorted(map(tuple, await statement.fetch())), groups, "prepared")
    await conn.close()
    return count, len(groups)


@feature("ask-parameter")
async def ask_parameter():
    conn = await asyncpg.connect()
    statement = await conn.prepare(f"select * from ask('{COUNT_IN}', $1)")
    seen = [await statement.fetchval("Germany"), await statement.fetchval("nowhere")]
    seen.append(await conn.fetchval(f"/* ask: {COUNT_IN} */", "Germany"))
    await conn.close()
    return seen


@feature("ask-in-sql")
async def ask_in_sql():
    conn = await asyncpg.connect()
    seen = [len(await conn.fetch(f"select * from (/* ask: {GROUPS} */) r limit $1", 3))]
    async with conn.transaction():
        portal = await conn.cursor(f"/* ask: {GROUPS} */")
        seen += [len(await portal.fetch(2)), len(await portal.fetch(100))]
    out = io.BytesIO()
    await conn.copy_from_query(f"/* ask: {COUNT} */", output=out)
    await conn.close()
    return seen, out.getvalue()


@feature("ask-refused")
async def ask_refused():
    conn = await asyncpg.connect()
    seen = []
    for run in (conn.execute, conn.fetch, conn.prepare):
        try:
            await run(f"/* ask: {NONSENSE} */")
        except asyncpg.PostgresError as error:
            seen.append((error.sqlstate, "flonks" in str(error)))
    seen.append(await conn.fetchval("select 1"))
    await conn.close()
    return seen


main("asyncpg", asyncpg.__version__)
