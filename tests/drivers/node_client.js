// node-postgres: the simple protocol without values, the extended one with them, named statements, pools.
// One argument, `plain` or `asks`; the server is found in PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, and the
// driver in DRIVERS.

const assert = require("node:assert/strict");
const path = require("node:path");
const { Client, Pool } = require(path.join(process.env.DRIVERS, "node_modules", "pg"));

const COUNT = "how many customers are from Germany";
const COUNT_SQL = "select count(*) from customers where country = 'Germany'";
const GROUPS = "number of customers per country";
const GROUPS_SQL = "select country, count(*) from customers group by country";
const NONSENSE = "grumble the wibbly flonks";

const spellings = (question) => [
  `-- ask: ${question}`,
  `/* ask: ${question} */`,
  `ask: ${question}`,
  `ask ${question}`,
  `ASK: ${question};`,
  `select -- ask: ${question}\n;`,
  `select * from ask('${question}')`,
];

async function values(client, query) {
  const { rows } = await client.query({ rowMode: "array", ...query });
  return rows;
}

async function plain(client) {
  assert.deepEqual(await values(client, { text: "select 1, 'ü', null" }), [[1, "ü", null]]);
  assert.deepEqual(await values(client, { text: "select $1::int + 1", values: [41] }), [[42]]);
  const several = await client.query("select 1 as a; select 2 as b");
  assert.deepEqual(several.map((result) => result.rows), [[{ a: 1 }], [{ b: 2 }]]);
  await client.query("create table node_t (i int primary key, doc jsonb, b bytea)");
  for (let i = 0; i < 20; i++) {
    const insert = { name: "insert", text: "insert into node_t values ($1, $2, $3)", values: [i, { i }, Buffer.from([i])] };
    assert.equal((await client.query(insert)).rowCount, 1);
  }
  const found = await client.query({ name: "find", text: "select * from node_t where i = $1", values: [7] });
  assert.deepEqual(found.rows, [{ i: 7, doc: { i: 7 }, b: Buffer.from([7]) }]);
  await client.query("begin");
  await client.query("delete from node_t");
  await assert.rejects(client.query("insert into node_t values (1), (1)"), { code: "23505" });
  await assert.rejects(client.query("select 1"), { code: "25P02" });
  await client.query("rollback");
  assert.deepEqual(await values(client, { text: "select count(*)::int from node_t" }), [[20]]);
  await assert.rejects(client.query("select * from no_such_table"), { code: "42P01", position: "15" });
  const heard = new Promise((resolve) => client.once("notification", resolve));
  await client.query("listen chan");
  await client.query("notify chan, 'payload'");
  assert.equal((await heard).payload, "payload");
  await client.query("drop table node_t");
  const pool = new Pool({ max: 5 });
  const doubled = await Promise.all(
    Array.from({ length: 100 }, (_, i) => values(pool, { text: "select $1::int * 2", values: [i] })),
  );
  assert.deepEqual(doubled, Array.from({ length: 100 }, (_, i) => [[i * 2]]));
  await pool.end();
}

async function asks(client) {
  const notices = [];
  client.on("notice", (notice) => notices.push(notice.message));
  const count = await values(client, { text: COUNT_SQL });
  const groups = (await values(client, { text: GROUPS_SQL })).sort();
  for (const text of spellings(COUNT)) {
    assert.deepEqual(await values(client, { text }), count, text);
    assert.deepEqual(await values(client, { text, queryMode: "extended" }), count, text);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await values(client, { text, name: text.slice(0, 40) }), count, text);
    }
  }
  assert.match(notices[0], /^ask: SELECT/);
  for (const text of spellings(GROUPS)) {
    assert.deepEqual((await values(client, { text })).sort(), groups, text);
  }
  const argument = { text: "select * from ask('how many customers in country $1', $1)", values: ["Germany"] };
  assert.deepEqual(await values(client, argument), count);
  const derived = { text: `select * from (/* ask: ${GROUPS} */) r limit $1`, values: [3] };
  assert.equal((await values(client, derived)).length, 3);
  await assert.rejects(client.query(`/* ask: ${NONSENSE} */`), { code: "NL002", message: /flonks/ });
  await assert.rejects(client.query({ text: `/* ask: ${NONSENSE} */`, queryMode: "extended" }), { code: "NL002" });
  assert.deepEqual(await values(client, { text: "select 1" }), [[1]]);
}

async function main() {
  const client = new Client();
  await client.connect();
  await { plain, asks }[process.argv[2]](client);
  await client.end();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
