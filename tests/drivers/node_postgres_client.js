// node-postgres: the simple protocol without values, the extended one with them, named statements, cursors, pools.

const assert = require("node:assert/strict");
const { once } = require("node:events");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
const { COUNT, COUNT_IN, COUNT_SQL, GROUPS, GROUPS_SQL, NONSENSE, SLEEP, SLEEPS, ...common } = require("./common.js");
const { Client, Pool } = require(common.installed("pg"));
const Cursor = require(common.installed("pg-cursor"));
const copy = require(common.installed("pg-copy-streams"));

async function withClients(count, options, run) {
  const clients = Array.from({ length: count }, () => new Client(options));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    return await run(...clients);
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

const feature = (name, count, run) => common.feature(name, () => withClients(count, {}, run));

async function values(client, text, values, more) {
  return (await client.query({ text, values, rowMode: "array", ...more })).rows;
}

async function sqlstate(promise) {
  return promise.then(() => assert.fail("no error"), (error) => error.code);
}

common.feature("options", () =>
  withClients(1, { application_name: "its own", options: "-c work_mem=3MB -c search_path=hr", statement_timeout: 7000 }, (client) =>
    withClients(1, {}, async (other) => {
      const seen = [];
      for (let i = 0; i < 3; i++) {
        for (const name of ["application_name", "work_mem", "search_path", "statement_timeout"]) {
          seen.push(await values(client, `show ${name}`), await values(other, `show ${name}`));
        }
      }
      return seen.slice(0, 8);
    }),
  ),
);

feature("parameters", 1, async (client) => {
  const row = [41, null, "ü'\\", 1.5, true, [1, 2, null], Buffer.from([0, 255]), { n: 1 }];
  const types = ["int", "text", "text", "float8", "bool", "int[]", "bytea", "jsonb"];
  const sql = `select ${types.map((type, i) => `$${i + 1}::${type}`)}`;
  assert.deepEqual(await values(client, sql, row), [row]);
  return row;
});

feature("binary", 1, (client) => values(client, "select $1::int4, $2::float8, $3::text", [7, 1.5, "ü"], { binary: true }));

feature("prepared", 4, async (...clients) => {
  await clients[0].query("create table prepared_t (i int primary key)");
  for (let i = 0; i < 30; i++) {
    for (const [who, client] of clients.entries()) {
      // One name, another statement in each session.
      assert.deepEqual(await values(client, `select $1::int * ${who}`, [i], { name: "one" }), [[i * who]]);
    }
    await clients[1].query("begin");
    await clients[1].query({ name: "insert", text: "insert into prepared_t values ($1)", values: [i] });
    await clients[1].query("commit");
  }
  const seen = await values(clients[2], "select count(*)::int from prepared_t");
  await clients[3].query("drop table prepared_t");
  return seen;
});

feature("pipeline", 1, async (client) => {
  // Each query is queued in the client and sent once the one before is done.
  const all = Array.from({ length: 500 }, (_, i) => (i === 250 ? sqlstate(client.query("select 1/0")) : values(client, "select $1::int", [i])));
  const answers = await Promise.all(all);
  return [answers[0], answers[250], answers[499]];
});

feature("several", 1, async (client) => {
  const several = await client.query("select 1 as a; create temp table t (i int); insert into t values (1), (2); select 'b' as b");
  const state = await sqlstate(client.query("insert into t values (3); select 1/0; select 2"));
  const both = await sqlstate(client.query("select 1; select $1::int", [2]));
  return [several.map(({ command, rowCount, rows }) => [command, rowCount, rows]), state, both, await values(client, "select count(*) from t")];
});

feature("transactions", 1, async (client) => {
  await client.query("create temp table t (i int primary key)");
  await client.query("begin");
  await client.query("insert into t values (1)");
  const seen = [await sqlstate(client.query("insert into t values ($1)", [1])), await sqlstate(client.query("select 1"))];
  await client.query("rollback");
  return [seen, await values(client, "select count(*)::int from t")];
});

feature("savepoints", 1, async (client) => {
  await client.query("begin; create temp table t (i int); savepoint a");
  const seen = [await sqlstate(client.query("select $1::int / 0", [1]))];
  await client.query("rollback to savepoint a");
  await client.query("insert into t values ($1)", [2]);
  await client.query("commit");
  return [seen, await values(client, "select * from t")];
});

feature("isolation", 2, async (client, other) => {
  const sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')";
  await client.query("begin isolation level serializable read only");
  const seen = [await values(client, sql), await values(other, sql), await sqlstate(client.query("create table t ()"))];
  await client.query("rollback");
  return [seen, await values(client, sql)];
});

feature("cursor", 1, async (client) => {
  const cursor = client.query(new Cursor("select generate_series(1, $1::int) as i", [50]));
  const seen = [];
  for (const count of [5, 40, 40]) {
    seen.push((await cursor.read(count)).length);
  }
  await cursor.close();
  const failing = client.query(new Cursor("select 1 / (3 - g) from generate_series(1, 5) g"));
  seen.push(await sqlstate(failing.read(10)));
  const left = client.query(new Cursor("select generate_series(1, 1000)"));
  seen.push((await left.read(1)).length);
  await left.close();
  return [seen, await values(client, "select 1")];
});

feature("copy-in", 1, async (client) => {
  await client.query("create temp table copy_t (i int, t text)");
  const lines = (count) => Readable.from(Array.from({ length: count }, (_, i) => `${i}\tü\n`));
  const into = client.query(copy.from("copy copy_t from stdin"));
  await pipeline(lines(20000), into);
  const refused = await sqlstate(pipeline(Readable.from(Array(1000).fill("no number\tx\n")), client.query(copy.from("copy copy_t from stdin"))));
  const givenUp = client.query(copy.from("copy copy_t from stdin"));
  givenUp.on("error", () => {});
  givenUp.destroy(new Error("given up"));
  return [into.rowCount, refused, await values(client, "select count(*)::int from copy_t")];
});

feature("copy-out", 1, async (client) => {
  let bytes = 0;
  for await (const block of client.query(copy.to("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout"))) {
    bytes += block.length;
  }
  return [bytes, await values(client, "select 1")];
});

feature("notify", 2, async (client, other) => {
  const heard = once(client, "notification");
  await client.query("listen chan");
  await new Promise((resolve) => setTimeout(resolve, 200)); // idle
  await other.query("select pg_notify('chan', $1)", ["while idle"]);
  const [{ channel, payload }] = await heard;
  return [channel, payload];
});

feature("cancel", 2, async (client, other) => {
  const state = sqlstate(client.query(SLEEP));
  while ((await values(other, SLEEPS))[0][0] !== 1) {}
  new Client({}).cancel(client, client.activeQuery ?? client._activeQuery);
  const seen = [await state, await values(client, "select 'goes on'")];
  await client.query("set statement_timeout = 50");
  seen.push(await sqlstate(client.query("select pg_sleep(60)")));
  return seen;
});

feature("errors", 1, async (client) => {
  await client.query("create temp table errors_t (i int primary key check (i > 0), n text not null)");
  const seen = [];
  for (const text of [
    "select * from no_such_table",
    "select 'a' from customers where nam = 'é'",
    "insert into errors_t values (0, '')",
    "insert into errors_t values (1, null)",
    "insert into errors_t values (1, ''), (1, '')",
    "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
    "do $$begin execute 'select 1 +'; end$$",
    "selec",
  ]) {
    for (const queryMode of ["simple", "extended"]) {
      const error = await client.query({ text, queryMode }).then(() => assert.fail("no error"), (error) => error);
      const { schema, length, file, line, routine, ...fields } = error;
      seen.push({ message: error.message, ...fields });
    }
  }
  return seen;
});

feature("notices", 1, async (client) => {
  const heard = [];
  client.on("notice", ({ severity, code, message, hint }) => heard.push([severity, code, message, hint]));
  await client.query("do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; end$$");
  await client.query({ text: "drop table if exists not_there", queryMode: "extended" });
  return heard;
});

feature("settings", 2, async (client, other) => {
  const sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')";
  await client.query("set search_path = hr; set time zone 'Asia/Tokyo'");
  const seen = [];
  for (let i = 0; i < 3; i++) {
    seen.push(await values(client, sql), await values(other, sql), await values(client, "select count(*) > 0 from employees where id > $1", [0]));
  }
  await client.query("begin; set local work_mem = '1MB'; set time zone 'Europe/Paris'");
  seen.push(await values(client, sql));
  await client.query("rollback");
  return [seen, await values(client, sql)];
});

feature("state", 2, async (client, other) => {
  await client.query("create temp table state_t (i serial); insert into state_t default values");
  const seen = [await values(client, "select currval('state_t_i_seq')"), await sqlstate(other.query("select * from state_t"))];
  await client.query("select pg_advisory_lock($1)", [7]);
  seen.push(await values(other, "select pg_try_advisory_lock(7)"), await values(client, "select pg_advisory_unlock(7)"));
  return [seen, await values(other, "select pg_try_advisory_lock(7)")];
});

feature("big", 1, async (client) => {
  const text = "0123456789abcde\n".repeat((10 * 1024 * 1024) / 16);
  const [[length, back]] = await values(client, "select length($1::text), $1::text", [text]);
  assert.ok(back === text);
  const rows = await values(client, "select g, 'row ' || g from generate_series(1, 200000) g");
  return [length, rows.length, rows.at(-1)];
});

feature("sharing", 8, async (...clients) => {
  await clients[0].query("create table sharing_t (who int, i int)");
  const work = async (client, who) => {
    for (let i = 0; i < 20; i++) {
      await client.query("begin");
      await client.query("insert into sharing_t values ($1, $2)", [who, i]);
      await client.query(who === 3 ? "rollback" : "commit");
    }
  };
  await Promise.all(clients.map(work));
  const seen = await values(clients[7], "select who, count(*), sum(i) from sharing_t group by who order by who");
  await clients[7].query("drop table sharing_t");
  return seen;
});

common.feature("pool", async () => {
  const pool = new Pool({ max: 5 });
  const doubled = await Promise.all(Array.from({ length: 200 }, (_, i) => values(pool, "select $1::int * 2", [i])));
  assert.deepEqual(doubled, Array.from({ length: 200 }, (_, i) => [[i * 2]]));
  const client = await pool.connect();
  const state = await sqlstate(client.query("selec"));
  client.release();
  await pool.end();
  return [doubled.length, state];
});

feature("ask", 1, async (client) => {
  const notices = [];
  client.on("notice", (notice) => notices.push(notice.message));
  const count = await values(client, COUNT_SQL);
  const groups = (await values(client, GROUPS_SQL)).sort();
  for (const text of common.spellings(COUNT)) {
    assert.deepEqual(await values(client, text), count, text);
    assert.deepEqual(await values(client, text, undefined, { queryMode: "extended" }), count, text);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await values(client, text, undefined, { name: text.slice(0, 40) }), count, text);
    }
  }
  assert.match(notices[0], /^ask: SELECT/);
  for (const text of common.spellings(GROUPS)) {
    assert.deepEqual((await values(client, text)).sort(), groups, text);
  }
  return [count, groups.length];
});

feature("ask-parameter", 1, async (client) => {
  const sql = `select * from ask('${COUNT_IN}', $1)`;
  const seen = [];
  for (const country of ["Germany", "nowhere"]) {
    seen.push(await values(client, sql, [country]), await values(client, sql, [country], { name: "asked" }));
  }
  return seen;
});

feature("ask-in-sql", 1, async (client) => {
  const derived = await values(client, `select * from (/* ask: ${GROUPS} */) r limit $1`, [3]);
  const cursor = client.query(new Cursor(`/* ask: ${GROUPS} */`));
  return [derived.length, (await cursor.read(4)).length, (await cursor.read(100)).length];
});

feature("ask-refused", 1, async (client) => {
  const seen = [];
  for (const queryMode of ["simple", "extended"]) {
    const error = await client.query({ text: `/* ask: ${NONSENSE} */`, queryMode }).catch((error) => error);
    seen.push(error.code, /flonks/.test(error.message));
  }
  return [seen, await values(client, "select 1")];
});

common.main("node-postgres", "pg");
