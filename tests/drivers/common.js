// What the Node scripts share: the frame that runs features, the questions, and the SQL that answers them.
// The same as common.py: `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is
// wrong. The drivers are found in DRIVERS.

const path = require("node:path");

const COUNT = "how many customers are from Germany";
const GROUPS = "number of customers per country";
const features = { plain: [], asks: [] };

exports.COUNT = COUNT;
exports.COUNT_SQL = "select count(*) from customers where country = 'Germany'";
exports.COUNT_IN = "how many customers in country $1";
exports.GROUPS = GROUPS;
exports.GROUPS_SQL = "select country, count(*) from customers group by country";
exports.NONSENSE = "grumble the wibbly flonks";
exports.SLEEP = "select /* to be cancelled */ pg_sleep(60)";
exports.SLEEPS =
  "select count(*)::int as n from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()" +
  " and query like '%to be cancelled%'";

exports.installed = (name) => path.join(process.env.DRIVERS, "node_modules", name);

exports.spellings = (question) => [
  `-- ask: ${question}`,
  `/* ask: ${question} */`,
  `ask: ${question}`,
  `ask ${question}`,
  `ASK: ${question};`,
  `select -- ask: ${question}\n;`,
  `select * from ask('${question}')`,
  `select * from (/* ask: ${question} */) r`,
];

exports.feature = (name, run) => features[name.startsWith("ask") ? "asks" : "plain"].push([name, run]);

// Runs the features of a driver: its name, and that of its module.
exports.main = async (driver, module) => {
  console.log(`driver\t${driver} ${require(exports.installed(module) + "/package.json").version}`);
  // Once a session has asked for currval, sessions that insert keep their connections: that is for the end.
  features.plain.sort(([one], [other]) => (one === "state") - (other === "state"));
  for (const [name, run] of features[process.argv[2]]) {
    try {
      console.log(`${name}\t${JSON.stringify(await run())}`);
    } catch (error) {
      console.error(error);
      console.log(`${name}\tFAILED: ${error.message}`.replaceAll("\n", " "));
      process.exitCode = 1;
    }
  }
  process.exit();
};
