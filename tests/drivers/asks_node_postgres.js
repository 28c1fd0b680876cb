// node-postgres for the matrix of asks; cells and answers as in asks.py. `queryMode` chooses the protocol.

const path = require("node:path");
const readline = require("node:readline");
const installed = (name) => path.join(process.env.DRIVERS, "node_modules", name);
const { Client } = require(installed("pg"));
const { to: copyTo } = require(installed("pg-copy-streams"));

const asText = (value) => (value === null ? null : String(value));

async function copied(client, query) {
  let out = "";
  for await (const chunk of client.query(copyTo(`copy (${query}) to stdout`))) out += chunk;
  return out.trimEnd().split("\n").map((line) => line.split("\t"));
}

async function run(client, protocol, { sql, values, copies }) {
  if (copies) return copied(client, sql);
  const bound = values.length > 0 ? { values } : {};
  const result = await client.query({ text: sql, rowMode: "array", queryMode: protocol, ...bound });
  return [result].flat().flatMap(({ rows }) => rows.map((row) => row.map(asText)));
}

async function answer(client, { protocol, steps }) {
  try {
    let rows;
    for (const step of steps) rows = await run(client, protocol, step);
    return { rows };
  } catch (error) {
    return error.code ? { sqlstate: error.code } : { fails: error.message };
  } finally {
    await client.query("rollback");
  }
}

(async () => {
  const client = new Client();
  await client.connect();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const cell = JSON.parse(line);
    console.log(JSON.stringify({ id: cell.id, ...(await answer(client, cell)) }));
  }
  await client.end();
})();
