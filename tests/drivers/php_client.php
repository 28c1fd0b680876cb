<?php
// PHP's pgsql extension and PDO: emulated and real prepares, lastInsertId, COPY, notifications, cancel, persistence.
// `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.

error_reporting(E_ALL & ~E_WARNING & ~E_NOTICE);

const COUNT = "how many customers are from Germany";
const COUNT_SQL = "select count(*) from customers where country = 'Germany'";
const GROUPS = "number of customers per country";
const SLEEPS = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    . " and query like '%to be cancelled%'";

function connect(string $options = "") { return pg_connect($options, PGSQL_CONNECT_FORCE_NEW); }

function pdo(array $options = [], string $more = ""): PDO {
    $dsn = "pgsql:host=" . getenv("PGHOST") . ";port=" . getenv("PGPORT") . ";dbname=" . getenv("PGDATABASE") . $more;
    return new PDO($dsn, getenv("PGUSER"), getenv("PGPASSWORD"), $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function rows($conn, string $sql, ?array $values = null): array {
    $result = $values === null ? pg_query($conn, $sql) : pg_query_params($conn, $sql, $values);
    if (!$result) throw new Exception(pg_last_error($conn));
    return pg_fetch_all($result, PGSQL_NUM);
}

function value($conn, string $sql, ?array $values = null) { return rows($conn, $sql, $values)[0][0]; }

function all(PDO $pdo, string $sql, array $values = []): array {
    $statement = $pdo->prepare($sql);
    $statement->execute($values);
    return $statement->fetchAll(PDO::FETCH_NUM);
}

/** The SQLSTATE with which a query of the pgsql extension fails, with other fields where they are asked for. */
function sqlstate($conn, string $sql, array $fields = [PGSQL_DIAG_SQLSTATE]) {
    pg_send_query($conn, $sql);
    $found = null;
    while ($result = pg_get_result($conn)) {
        if (pg_result_status($result) == PGSQL_FATAL_ERROR) {
            $found = array_map(fn($field) => pg_result_error_field($result, $field), $fields);
        }
    }
    return $found ?? throw new Exception("no error");
}

function pdo_sqlstate(callable $run): string {
    try { $run(); } catch (PDOException $error) { return $error->errorInfo[0]; }
    throw new Exception("no error");
}

function equal($found, $expected) {
    if ($found != $expected) throw new Exception(json_encode($found) . " is not " . json_encode($expected));
}

$plain = [
    "options" => function () {
        [$conn, $other] = [connect("application_name='its own' options='-c work_mem=3MB -c search_path=hr'"), connect()];
        $seen = [];
        for ($i = 0; $i < 3; $i++) {
            foreach (["application_name", "work_mem", "search_path"] as $name) $seen[] = value($conn, "show $name");
            $seen[] = value($other, "show work_mem");
        }
        return $seen;
    },
    "parameters" => function () {
        $seen = [rows(connect(), 'select $1::int, $2::text, $3::text, $4::bool', [41, null, "ü'\\", "t"])];
        foreach ([true, false] as $emulate) {
            $pdo = pdo([PDO::ATTR_EMULATE_PREPARES => $emulate]);
            $statement = $pdo->prepare("select :a::int, :b::text, :c::text, :d::bool");
            $statement->bindValue("a", 41, PDO::PARAM_INT);
            $statement->bindValue("b", null, PDO::PARAM_NULL);
            $statement->bindValue("c", "ü'\\");
            $statement->bindValue("d", true, PDO::PARAM_BOOL);
            $statement->execute();
            $seen[] = $statement->fetchAll(PDO::FETCH_NUM);
        }
        return $seen;
    },
    "prepared" => function () {
        $conns = [connect(), connect(), connect(), connect()];
        foreach ($conns as $who => $conn) pg_prepare($conn, "one", "select \$1::int * $who");
        rows($conns[0], "create table prepared_t (i int)");
        $pdo = pdo();
        $insert = $pdo->prepare("insert into prepared_t values (?)");
        for ($i = 0; $i < 30; $i++) {
            foreach ($conns as $who => $conn) equal(pg_fetch_result(pg_execute($conn, "one", [$i]), 0, 0), $i * $who);
            $pdo->beginTransaction();
            $insert->execute([$i]);
            $pdo->commit();
        }
        $seen = [value($conns[1], "select count(*) from prepared_t")];
        rows($conns[0], "drop table prepared_t");
        return $seen;
    },
    "several" => function () {
        $conn = connect();
        $seen = [rows($conn, "select 1; create temp table t (i int); insert into t values (1), (2); select 'b'")];
        $seen[] = sqlstate($conn, "insert into t values (3); select 1/0");
        $pdo = pdo();
        $pdo->exec("create temp table t (i int); insert into t values (1)");
        $seen[] = pdo_sqlstate(fn() => all(pdo([PDO::ATTR_EMULATE_PREPARES => false]), "select 1; select 2"));
        return [...$seen, value($conn, "select count(*) from t"), all($pdo, "select * from t")];
    },
    "transactions" => function () {
        $pdo = pdo();
        $pdo->exec("create temp table t (i int)");
        $pdo->beginTransaction();
        $pdo->exec("insert into t values (1)");
        $seen = [pdo_sqlstate(fn() => all($pdo, "select 1/0")), pdo_sqlstate(fn() => all($pdo, "select 1")), $pdo->inTransaction()];
        $pdo->rollBack();
        return [...$seen, all($pdo, "select count(*) from t"), $pdo->inTransaction()];
    },
    "savepoints" => function () {
        $conn = connect();
        rows($conn, "begin; create temp table t (i int); savepoint a");
        $seen = [sqlstate($conn, "insert into t values (1 / 0)")];
        rows($conn, "rollback to a; insert into t values (2); commit");
        return [...$seen, rows($conn, "select * from t")];
    },
    "isolation" => function () {
        [$conn, $other] = [connect(), connect()];
        $sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        rows($conn, "begin isolation level serializable read only");
        $seen = [rows($conn, $sql), rows($other, $sql), sqlstate($conn, "create table t ()")];
        rows($conn, "rollback");
        return [...$seen, rows($conn, $sql)];
    },
    "cursor" => function () {
        $pdo = pdo();
        $pdo->beginTransaction();
        $statement = $pdo->prepare("select generate_series(1, 50)", [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
        $statement->execute();
        $seen = [$statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 41), $statement->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_PRIOR)];
        $statement = null;
        $pdo->commit();
        return $seen;
    },
    "copy-in" => function () {
        $conn = connect();
        rows($conn, "create temp table copy_t (i int, t text)");
        $lines = array_map(fn($i) => "$i\tü\n", range(1, 20000));
        $seen = [pg_copy_from($conn, "copy_t", $lines), pg_copy_from($conn, "copy_t", ["no number\tx\n"])];
        $pdo = pdo();
        $pdo->exec("create temp table copy_t (i int, t text)");
        $seen[] = $pdo->pgsqlCopyFromArray("copy_t", ["1\tx", "2\ty"]);
        return [...$seen, value($conn, "select count(*) from copy_t"), all($pdo, "select count(*) from copy_t")];
    },
    "copy-out" => function () {
        $conn = connect();
        return [count(pg_copy_to($conn, "customers")), count(pdo()->pgsqlCopyToArray("customers")), value($conn, "select 1")];
    },
    "notify" => function () {
        [$conn, $other, $pdo] = [connect(), connect(), pdo()];
        rows($conn, "listen chan");
        $pdo->exec("listen chan");
        usleep(200000); // idle
        rows($other, "select pg_notify('chan', \$1)", ["while idle"]);
        $heard = $pdo->pgsqlGetNotify(PDO::FETCH_NUM, 10000);
        for ($i = 0; $i < 1000 && !($notify = pg_get_notify($conn)); $i++) usleep(10000);
        return [$notify["message"], $notify["payload"], $heard[0], $heard[2]];
    },
    "cancel" => function () {
        [$conn, $other] = [connect(), connect()];
        pg_send_query($conn, "select /* to be cancelled */ pg_sleep(60)");
        while (value($other, SLEEPS) != 1);
        pg_cancel_query($conn);
        rows($conn, "set statement_timeout = 50");
        return [value($conn, "select 'goes on'"), sqlstate($conn, "select pg_sleep(60)")];
    },
    "errors" => function () {
        $conn = connect();
        rows($conn, "create temp table errors_t (i int primary key check (i > 0), n text not null)");
        $fields = [PGSQL_DIAG_SEVERITY, PGSQL_DIAG_SQLSTATE, PGSQL_DIAG_MESSAGE_PRIMARY, PGSQL_DIAG_MESSAGE_DETAIL, PGSQL_DIAG_MESSAGE_HINT,
            PGSQL_DIAG_STATEMENT_POSITION, PGSQL_DIAG_INTERNAL_QUERY, PGSQL_DIAG_CONTEXT];
        $fields = [...$fields, PGSQL_DIAG_TABLE_NAME, PGSQL_DIAG_COLUMN_NAME, PGSQL_DIAG_CONSTRAINT_NAME];
        return array_map(fn($sql) => sqlstate($conn, $sql, $fields), [
            "select * from no_such_table", "insert into errors_t values (0, '')", "insert into errors_t values (1, null)",
            'do $$begin raise exception using errcode = $e$ZZ123$e$, message = $e$m$e$, detail = $e$d$e$, hint = $e$h$e$; end$$',
            'do $$begin execute $e$select 1 +$e$; end$$', "selec"]);
    },
    "notices" => function () {
        $conn = connect();
        rows($conn, 'do $$begin raise notice $a$n$a$; raise warning $a$w$a$; end$$');
        return pg_last_notice($conn, PGSQL_NOTICE_ALL);
    },
    "settings" => function () {
        [$conn, $other] = [connect(), connect()];
        $sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')";
        rows($conn, "set search_path = hr; set time zone 'Asia/Tokyo'");
        pg_set_client_encoding($conn, "LATIN1");
        $seen = [];
        for ($i = 0; $i < 3; $i++) array_push($seen, rows($conn, $sql), rows($other, $sql), bin2hex(value($conn, "select chr(233)")));
        rows($conn, "begin; set local work_mem = '1MB'");
        $seen[] = rows($conn, $sql);
        rows($conn, "rollback");
        return [...$seen, rows($conn, $sql), pg_parameter_status($conn, "TimeZone")];
    },
    "big" => function () {
        $text = str_repeat("0123456789abcde\n", 10 * 1024 * 1024 / 16);
        $conn = connect();
        if (value($conn, 'select $1::text', [$text]) !== $text) throw new Exception("not what was sent");
        return pg_num_rows(pg_query($conn, "select g, 'row ' || g from generate_series(1, 200000) g"));
    },
    "sharing" => function () {
        $conns = array_map(fn() => pdo(), range(0, 7));
        $conns[0]->exec("create table sharing_t (who int, i int)");
        for ($i = 0; $i < 10; $i++) {
            foreach ($conns as $who => $conn) {
                $conn->beginTransaction();
                $conn->prepare("insert into sharing_t values (?, ?)")->execute([$who, $i]);
                $who == 3 ? $conn->rollBack() : $conn->commit();
            }
        }
        $seen = all($conns[7], "select who, count(*), sum(i) from sharing_t group by who order by who");
        $conns[7]->exec("drop table sharing_t");
        return $seen;
    },
    // Last: once a session has asked for currval or lastval, sessions that insert keep their connections.
    "state" => function () {
        [$conn, $other] = [connect(), connect()];
        rows($conn, "create temp table state_t (i serial); insert into state_t default values");
        $seen = [value($conn, "select currval('state_t_i_seq')"), sqlstate($other, "select * from state_t")];
        rows($conn, "select pg_advisory_lock(7)");
        return [...$seen, value($other, "select pg_try_advisory_lock(7)"), value($conn, "select pg_advisory_unlock(7)")];
    },
    "lastInsertId" => function () {
        // A query of its own after the INSERT, in another transaction: lastval() and currval() of the same session.
        [$one, $two] = [pdo(), pdo()];
        $one->exec("create table last_insert_t (id serial, who text)");
        $seen = [pdo_sqlstate(fn() => $two->lastInsertId())];
        foreach ([$one, $two, $one, $two] as $who => $pdo) {
            $pdo->prepare("insert into last_insert_t (who) values (?)")->execute([$who]);
            all($pdo === $one ? $two : $one, "select 1");
            $seen[] = [$pdo->lastInsertId(), $pdo->lastInsertId("last_insert_t_id_seq")];
        }
        $one->exec("drop table last_insert_t");
        return $seen;
    },
    // What is persistent stays open to the end.
    "persistent connections" => function () {
        $pdo = pdo([PDO::ATTR_PERSISTENT => true]);
        $pdo->exec("set work_mem = '1MB'");
        $pdo = null;
        $conn = pg_pconnect("");
        return [all(pdo([PDO::ATTR_PERSISTENT => true]), "show work_mem"), pg_ping($conn), pg_connection_reset($conn), value($conn, "select 1")];
    },
];

$asks = [
    "ask" => function () {
        $conn = connect();
        $count = value($conn, COUNT_SQL);
        $groups = count(rows($conn, "select distinct country from customers"));
        $spellings = fn($q) => ["-- ask: $q", "/* ask: $q */", "ask: $q", "ask $q;", "select -- ask: $q\n;", "select * from ask('$q')"];
        foreach ($spellings(COUNT) as $i => $sql) {
            equal(value($conn, $sql), $count);
            equal(value($conn, $sql, []), $count);
            pg_prepare($conn, "p$i", $sql);
            equal(pg_fetch_result(pg_execute($conn, "p$i", []), 0, 0), $count);
            equal(pdo()->query($sql)->fetchColumn(), $count);
        }
        foreach ($spellings(GROUPS) as $sql) equal(count(all(pdo([PDO::ATTR_EMULATE_PREPARES => true]), $sql)), $groups);
        return [$count, $groups, strpos(pg_last_notice($conn), "ask: SELECT")];
    },
    "ask-parameter" => fn() => [
        rows(connect(), 'select * from ask(\'how many customers in country $1\', $1)', ["Germany"]),
        all(pdo(), "select * from ask('how many customers in country $1', ?)", ["nowhere"]),
    ],
    "ask-in-sql" => fn() => count(rows(connect(), "select * from (/* ask: " . GROUPS . " */) r limit \$1", [3])),
    "ask-refused" => function () {
        $pdo = pdo();
        return [pdo_sqlstate(fn() => $pdo->query("/* ask: grumble the wibbly flonks */")), all($pdo, "select 1")];
    },
];

$failed = false;
echo "driver\tpgsql and PDO (PHP) ", PHP_VERSION, "\n";
foreach ($argv[1] === "plain" ? $plain : $asks as $name => $run) {
    try {
        $seen = json_encode($run(), JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
    } catch (Throwable $error) {
        $failed = true;
        fwrite(STDERR, "$error\n");
        $seen = "FAILED: " . strtr($error->getMessage(), "\n", " ");
    }
    echo "$name\t$seen\n";
    gc_collect_cycles();
}
exit($failed ? 1 : 0);
