"""asyncpg: always the extended protocol with binary formats, its own statement cache, and a pool that resets."""

import asyncio
import datetime

import asyncpg

from common import COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, equal, main, spellings


async def plain_async():
    conn = await asyncpg.connect()
    equal(await conn.fetchval("select $1::int + 1", 41), 42, "parameter")
    equal(await conn.fetchrow("select 'ü', null, $1::date", datetime.date(2024, 2, 29)), ("ü", None, datetime.date(2024, 2, 29)), "row")
    await conn.execute("create table asyncpg_t (i int primary key, tags text[], doc jsonb, at timestamptz)")
    await conn.executemany(
        "insert into asyncpg_t values ($1, $2, $3, now())", [(i, ["a", "b"], '{"n": %d}' % i) for i in range(50)]
    )
    statement = await conn.prepare("select tags, doc ->> 'n' as n from asyncpg_t where i = $1")
    equal([a.name for a in statement.get_attributes()], ["tags", "n"], "attributes")
    for i in range(20):
        equal(await statement.fetchrow(i), (["a", "b"], str(i)), "prepared")
    async with conn.transaction():
        cursor = await conn.cursor("select i from asyncpg_t order by i")
        equal([r["i"] for r in await cursor.fetch(5)], [0, 1, 2, 3, 4], "cursor")
        equal([r["i"] for r in await cursor.fetch(3)], [5, 6, 7], "cursor")
    try:
        async with conn.transaction():
            await conn.execute("insert into asyncpg_t values (100)")
            async with conn.transaction():
                await conn.execute("select 1/0")
    except asyncpg.DivisionByZeroError:
        pass
    equal(await conn.fetchval("select count(*) from asyncpg_t"), 50, "rollback")
    await conn.copy_records_to_table("asyncpg_t", records=[(i,) for i in range(200, 700)], columns=["i"])
    equal(await conn.fetchval("select count(*) from asyncpg_t"), 550, "copy")
    try:
        await conn.fetch("select * from no_such_table")
        raise AssertionError("no error")
    except asyncpg.UndefinedTableError as e:
        equal(e.position, "15", "position")
    try:
        await asyncio.wait_for(conn.execute("select pg_sleep(60)"), 0.3)
        raise AssertionError("no timeout")
    except asyncio.TimeoutError:
        pass
    equal(await conn.fetchval("select 'after a cancel'"), "after a cancel", "cancel")
    heard = asyncio.get_running_loop().create_future()
    await conn.add_listener("chan", lambda *args: heard.set_result(args[3]))
    await conn.execute("notify chan, 'payload'")
    equal(await asyncio.wait_for(heard, 10), "payload", "notify")
    await conn.execute("drop table asyncpg_t")
    await conn.close()
    async with asyncpg.create_pool(min_size=1, max_size=4) as pool:

        async def one(i):
            async with pool.acquire() as conn:
                await conn.execute("set work_mem = '1MB'")
                return await conn.fetchval("select $1::int * 2", i)

        equal(await asyncio.gather(*map(one, range(100))), [i * 2 for i in range(100)], "pool")
        async with pool.acquire() as conn:
            equal(await conn.fetchval("show work_mem"), "4MB", "reset")


async def asks_async():
    conn = await asyncpg.connect()
    notices = []
    conn.add_log_listener(lambda _, message: notices.append(message.message))
    count = await conn.fetchval(COUNT_SQL)
    groups = sorted(map(tuple, await conn.fetch(GROUPS_SQL)))
    for sql in spellings(COUNT):
        for _ in range(2):
            equal(await conn.fetchval(sql), count, sql)
    assert notices and notices[0].startswith("ask: SELECT"), notices
    for sql in spellings(GROUPS)[:-1]:
        equal(sorted(map(tuple, await conn.fetch(sql))), groups, sql)
    statement = await conn.prepare(f"ask {GROUPS}")
    equal(len(statement.get_attributes()), 2, "attributes")
    for _ in range(3):
        equal(sorted(map(tuple, await statement.fetch())), groups, "prepared")
    equal(await conn.fetchval(f"select * from ask('{COUNT_IN}', $1)", "Germany"), count, "an argument")
    equal(len(await conn.fetch(f"select * from (/* ask: {GROUPS} */) r limit $1", 3)), 3, "a derived table")
    async with conn.transaction():
        cursor = await conn.cursor(f"/* ask: {GROUPS} */")
        rows = await cursor.fetch(2) + await cursor.fetch(100)
        equal(sorted(map(tuple, rows)), groups, "a cursor with a row limit")
    try:
        await conn.fetch(f"/* ask: {NONSENSE} */")
        raise AssertionError("an answer to nonsense")
    except asyncpg.PostgresError as e:
        equal(e.sqlstate, "NL002", "nonsense")
        assert "flonks" in str(e), e
    equal(await conn.fetchval("select 1"), 1, "after the refusal")
    await conn.close()


main(plain=lambda: asyncio.run(plain_async()), asks=lambda: asyncio.run(asks_async()))
