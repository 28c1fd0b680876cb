// postgres.js: every statement prepared and pipelined by itself, on a pool of its own; COPY as streams, LISTEN apart.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEPS, ...common } = require("./common.js");
const postgres = require(common.installed("postgres"));

async function withPool(options, run) {
  const sql = postgres({ max: 1, onnotice: () => {}, ...options });
  try {
    return await run(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const feature = (name, run, options) => common.feature(name, () => withPool(options, run));
const twoSessions = (name, run) => feature(name, (sql) => withPool({}, (other) => run(sql, other)));

async function sqlstate(promise) {
  return promise.then(() => assert.fail("no error"), (error) => error.code);
}

twoSessions("options", (_, other) =>
  withPool({ connection: { application_name: "its own", work_mem: "3MB", search_path: "hr" } }, async (sql) => {
    const seen = [];
    for (let i = 0; i < 3; i++) {
      seen.push(await sql`select current_setting('application_name'), current_setting('work_mem') as w, current_setting('search_path') as s`);
      seen.push(await other`show work_mem`);
    }
    return seen;
  }),
);

feature("parameters", async (sql) => {
  const [row] = await sql`
    select ${41}::int as a, ${null}::text as b, ${"ü'\\"}::text as c, ${1.5}::float8 as d, ${true}::bool as e,
      ${[1, 2]}::int[] as f, ${Buffer.from([0, 255])}::bytea as g, ${sql.json({ n: 1 })}::jsonb as h`;
  return [row, await sql`select * from (values ${sql([[1, "x"], [2, "y"]])}) v (i, t)`];
});

twoSessions("prepared", (sql, other) =>
  withPool({ prepare: false }, async (unprepared) => {
    await sql`create table prepared_t (i int primary key)`;
    for (let i = 0; i < 30; i++) {
      for (const session of [sql, other, unprepared]) {
        assert.deepEqual([...(await session`select ${i}::int * 2 as n`)], [{ n: i * 2 }]);
      }
      await other.begin((inside) => inside`insert into prepared_t values (${i})`);
    }
    const seen = await sql`select count(*)::int from prepared_t`;
    // Its plan is of no use any more: one error, and then it prepares anew.
    await sql`select * from prepared_t where i = ${1}`;
    await other`alter table prepared_t add column more int default 5`;
    const first = await sql`select * from prepared_t where i = ${1}`.catch((error) => error.code);
    const second = await sql`select * from prepared_t where i = ${1}`;
    await other`drop table prepared_t`;
    return [seen, first, second];
  }),
);

feature("batch", async (sql) => {
  await sql`create temp table batch_t (i int primary key, t text)`;
  await sql`insert into batch_t ${sql(Array.from({ length: 1000 }, (_, i) => ({ i, t: "x" })))}`;
  return sql`select count(*)::int from batch_t`;
});

feature("pipeline", async (sql) => {
  const all = Array.from({ length: 500 }, (_, i) => (i === 250 ? sqlstate(sql`select 1 / ${0}::int`) : sql`select ${i}::int as n`));
  const answers = await Promise.all(all);
  return [answers[0], answers[250], answers[251], answers[499]];
});

feature("several", async (sql) => {
  const several = await sql.unsafe("select 1 as a; create temp table t (i int); insert into t values (1), (2); select 'b' as b");
  const state = await sqlstate(sql.unsafe("insert into t values (3); select 1/0; select 2"));
  return [several.map(({ command, count }) => [command, count]), state, await sql`select count(*)::int from t`];
});

feature("transactions", async (sql) => {
  await sql`create temp table t (i int primary key)`;
  const failing = sql.begin(async (inside) => {
    await inside`insert into t values (${1})`;
    await inside`insert into t values (${1})`;
  });
  const seen = [await sqlstate(failing), await sql`select count(*)::int from t`];
  const pipelined = await sql.begin((inside) => [inside`insert into t values (${2})`, inside`select * from t`]);
  return [seen, pipelined];
});

feature("savepoints", (sql) =>
  sql.begin(async (inside) => {
    await inside`create temp table t (i int) on commit drop`;
    const state = await sqlstate(inside.savepoint((deeper) => deeper`insert into t values (1 / ${0}::int)`));
    await inside.savepoint((deeper) => deeper`insert into t values (${2})`);
    return [state, await inside`select * from t`];
  }),
);

twoSessions("isolation", async (sql, other) => {
  const show = (session) => session`select current_setting('transaction_isolation') as i, current_setting('transaction_read_only') as r`;
  const inside = await sql.begin("isolation level serializable read only", async (inside) => [await show(inside), await show(other)]);
  return [inside, await sqlstate(sql.begin("read only", (inside) => inside`create table t ()`)), await show(sql)];
});

feature("cursor", async (sql) => {
  const seen = [];
  for await (const rows of sql`select generate_series(1, ${50}::int) as i`.cursor(20)) {
    seen.push(rows.length);
  }
  await sql`select generate_series(1, 50) as i`.cursor(10, (rows) => {
    seen.push(rows.length);
    return sql.CLOSE;
  });
  await sql`select generate_series(1, 3) as i`.forEach(({ i }) => seen.push(i));
  return seen;
});

feature("copy-in", async (sql) => {
  await sql`create temp table copy_t (i int, t text)`;
  await pipeline(Readable.from(Array.from({ length: 20000 }, (_, i) => `${i}\tü\n`)), await sql`copy copy_t from stdin`.writable());
  return sql`select count(*)::int from copy_t`;
});

feature("copy-out", async (sql) => {
  let bytes = 0;
  const out = await sql`copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout`.readable();
  out.on("data", (block) => (bytes += block.length));
  await once(out, "end");
  return [bytes, await sql`select 1 as one`];
});

twoSessions("notify", async (sql, other) => {
  const heard = [];
  const { unlisten } = await sql.listen("chan", (payload) => heard.push(payload));
  await new Promise((resolve) => setTimeout(resolve, 200)); // idle
  await other.notify("chan", "while idle");
  while (heard.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await unlisten();
  return heard;
});

twoSessions("cancel", async (sql, other) => {
  const running = sql`select /* to be cancelled */ pg_sleep(60)`;
  const state = sqlstate(running.execute());
  while ((await other.unsafe(SLEEPS))[0].n !== 1) {}
  running.cancel();
  return [await state, await sql`select 'goes on' as s`];
});

feature("errors", async (sql) => {
  await sql`create temp table errors_t (i int primary key check (i > 0), n text not null)`;
  const seen = [];
  for (const text of [
    "select * from no_such_table",
    "insert into errors_t values (0, '')",
    "insert into errors_t values (1, null)",
    "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
    "do $$begin execute 'select 1 +'; end$$",
    "selec",
  ]) {
    for (const prepare of [false, true]) {
      const error = await sql.unsafe(text, [], { prepare }).catch((error) => error);
      const { schema_name, file, line, routine, query, parameters, args, types, ...fields } = error;
      seen.push({ message: error.message, ...fields });
    }
  }
  return seen;
});

common.feature("notices", async () => {
  const heard = [];
  const onnotice = ({ severity, code, message, hint }) => heard.push([severity, code, message, hint]);
  await withPool({ onnotice }, (sql) => sql`do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; end$$`);
  return heard;
});

twoSessions("settings", async (sql, other) => {
  const show = (session) => session`select current_setting('search_path') as s, current_setting('timezone') as z, current_setting('work_mem') as w`;
  await sql`set search_path = hr`;
  await sql`set time zone 'Asia/Tokyo'`;
  const seen = [];
  for (let i = 0; i < 3; i++) {
    seen.push(await show(sql), await show(other), await sql`select count(*) > 0 as found from employees where id > ${0}`);
  }
  await sql.begin(async (inside) => {
    await inside`set local work_mem = '1MB'`;
    seen.push(await show(inside));
  });
  return [seen, await show(sql)];
});

feature("big", async (sql) => {
  const text = "0123456789abcde\n".repeat((10 * 1024 * 1024) / 16);
  const [{ length, back }] = await sql`select length(${text}::text), ${text}::text as back`;
  assert.ok(back === text);
  const rows = await sql`select g, 'row ' || g as t from generate_series(1, 200000) g`;
  return [length, rows.length, rows.at(-1)];
});

feature(
  "sharing",
  async (sql) => {
    await sql`create table sharing_t (who int, i int)`;
    const work = async (_, who) => {
      const session = await sql.reserve();
      for (let i = 0; i < 20; i++) {
        await session`begin`;
        await session`insert into sharing_t values (${who}, ${i})`;
        await (who === 3 ? session`rollback` : session`commit`);
      }
      session.release();
    };
    await Promise.all(Array.from({ length: 8 }, work));
    const seen = await sql`select who, count(*)::int, sum(i)::int from sharing_t group by who order by who`;
    await sql`drop table sharing_t`;
    return seen;
  },
  { max: 8 },
);

feature(
  "pool",
  async (sql) => {
    const doubled = await Promise.all(Array.from({ length: 300 }, (_, i) => sql`select ${i}::int * 2 as n`));
    assert.ok(doubled.every(([{ n }], i) => n === i * 2));
    return doubled.length;
  },
  { max: 6 },
);

feature("ask", async (sql) => {
  const [{ count }] = await sql.unsafe(COUNT_SQL);
  const groups = await sql.unsafe(GROUPS_SQL);
  for (const text of common.spellings(COUNT)) {
    for (const prepare of [false, true, true]) {
      assert.deepEqual([...(await sql.unsafe(text, [], { prepare }).values())], [[count]], text);
    }
  }
  for (const text of common.spellings(GROUPS)) {
    assert.equal((await sql.unsafe(text)).length, groups.length, text);
  }
  return [count, groups.length, (await sql`-- ask: number of customers per country`).length];
});

feature("ask-parameter", async (sql) => [
  await sql`select * from ask('how many customers in country $1', ${"Germany"})`,
  await sql.unsafe(`select * from ask('${COUNT_IN}', $1)`, ["nowhere"], { prepare: true }),
]);

feature("ask-in-sql", async (sql) => {
  const seen = [(await sql`select * from (/* ask: number of customers per country */) r limit ${3}`).length];
  for await (const rows of sql`/* ask: number of customers per country */`.cursor(4)) {
    seen.push(rows.length);
  }
  return seen;
});

feature("ask-refused", async (sql) => {
  const error = await sql.unsafe(`/* ask: ${NONSENSE} */`).catch((error) => error);
  return [error.code, /flonks/.test(error.message), await sql`select 1 as one`];
});

common.main("postgres.js", "postgres");
