// pgjdbc: prepareThreshold, fetch sizes, autosave, rewritten batches, CopyManager, PGNotification, cancel, metadata.
// `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

public class JdbcClient {
    interface Feature {
        Object run() throws Exception;
    }

    interface Statements {
        void run() throws SQLException;
    }

    static final String COUNT = "how many customers are from Germany";
    static final String COUNT_SQL = "select count(*) from customers where country = 'Germany'";
    static final String GROUPS = "number of customers per country";
    static final String SLEEPS = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
            + " and query like '%to be cancelled%'";
    static final List<Connection> opened = new ArrayList<>();

    static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        for (int i = 0; i < options.length; i += 2) {
            properties.setProperty(options[i], options[i + 1]);
        }
        String place = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        Connection conn = DriverManager.getConnection("jdbc:postgresql://" + place, properties);
        opened.add(conn);
        return conn;
    }

    static List<List<Object>> rows(Connection conn, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = conn.prepareStatement(sql)) {
            return rows(statement, values);
        }
    }

    static List<List<Object>> rows(PreparedStatement statement, Object... values) throws SQLException {
        for (int i = 0; i < values.length; i++) {
            statement.setObject(i + 1, values[i]);
        }
        return statement.execute() ? rows(statement.getResultSet()) : List.of(List.of(statement.getUpdateCount()));
    }

    static List<List<Object>> rows(ResultSet result) throws SQLException {
        List<List<Object>> rows = new ArrayList<>();
        while (result.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
                Object value = result.getObject(i);
                // An array prints in the format in which it came, and that changes once a statement is prepared.
                value = value instanceof java.sql.Array ? Arrays.toString((Object[]) ((java.sql.Array) value).getArray()) : value;
                row.add(value instanceof byte[] ? Arrays.toString((byte[]) value) : value);
            }
            rows.add(row);
        }
        return rows;
    }

    static Object value(Connection conn, String sql, Object... values) throws SQLException {
        return rows(conn, sql, values).get(0).get(0);
    }

    static void execute(Connection conn, String sql) throws SQLException {
        try (Statement statement = conn.createStatement()) {
            statement.execute(sql);
        }
    }

    static String sqlstate(Statements statements) {
        try {
            statements.run();
        } catch (BatchUpdateException error) {
            return error.getSQLState() + Arrays.toString(error.getUpdateCounts());
        } catch (SQLException error) {
            return error.getSQLState();
        }
        throw new AssertionError("no error");
    }

    static void equal(Object found, Object expected) {
        if (!found.equals(expected)) {
            throw new AssertionError(found + " is not " + expected);
        }
    }

    static Object options() throws Exception {
        Connection conn = connect("ApplicationName", "its own", "options", "-c work_mem=3MB", "currentSchema", "hr");
        Connection other = connect();
        List<Object> seen = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            for (String name : List.of("application_name", "work_mem", "search_path", "extra_float_digits", "timezone")) {
                seen.add(value(conn, "show " + name));
            }
            seen.add(value(other, "show work_mem"));
        }
        return seen;
    }

    static Object parameters() throws Exception {
        Connection conn = connect();
        List<Object> seen = new ArrayList<>();
        for (int i = 0; i < 7; i++) { // crosses prepareThreshold
            Array numbers = conn.createArrayOf("int", new Object[] {1, 2, null});
            seen.add(rows(conn, "select ?::int, ?::text, ?::text, ?::float8, ?::bool, ?::int[], ?::bytea, ?::date",
                    41, null, "ü'\\", 1.5, true, numbers, new byte[] {0, -1}, java.time.LocalDate.of(2024, 2, 29)));
        }
        equal(new HashSet<>(seen.stream().map(Object::toString).toList()).size(), 1);
        return seen.get(6);
    }

    static Object binary() throws Exception {
        Connection conn = connect("binaryTransfer", "true", "prepareThreshold", "-1");
        return rows(conn, "select ?::int8, ?::float8, timestamptz '2024-02-29 12:00+00', ?::uuid, array[1, 2]", 7L, 1.5, new UUID(0, 7));
    }

    static Object prepared() throws Exception {
        List<Connection> conns = List.of(connect(), connect("prepareThreshold", "1"), connect("prepareThreshold", "0"));
        execute(conns.get(0), "create table prepared_t (i int primary key)");
        List<PreparedStatement> statements = new ArrayList<>();
        for (Connection conn : conns) {
            statements.add(conn.prepareStatement("select ?::int * 2"));
        }
        PreparedStatement insert = conns.get(1).prepareStatement("insert into prepared_t values (?)");
        conns.get(1).setAutoCommit(false);
        for (int i = 0; i < 30; i++) {
            for (PreparedStatement statement : statements) {
                equal(rows(statement, i), List.of(List.of(i * 2)));
            }
            rows(insert, i);
            conns.get(1).commit();
        }
        List<Object> seen = new ArrayList<>(rows(conns.get(2), "select count(*) from prepared_t"));
        PreparedStatement stale = conns.get(1).prepareStatement("select * from prepared_t where i = ?");
        seen.add(rows(stale, 1));
        conns.get(1).commit();
        execute(conns.get(0), "alter table prepared_t add column more int default 5");
        seen.add(sqlstate(() -> rows(stale, 1))); // in a transaction the driver cannot try again
        conns.get(1).rollback();
        seen.add(rows(stale, 1));
        conns.get(1).rollback();
        execute(conns.get(0), "drop table prepared_t");
        return seen;
    }

    static Object batch() throws Exception {
        List<Object> seen = new ArrayList<>();
        for (String rewrite : List.of("false", "true")) {
            Connection conn = connect("reWriteBatchedInserts", rewrite);
            execute(conn, "create temp table batch_t (i int primary key, t text)");
            conn.setAutoCommit(false);
            try (PreparedStatement insert = conn.prepareStatement("insert into batch_t values (?, ?)")) {
                for (int i = 0; i < 1000; i++) {
                    insert.setInt(1, i);
                    insert.setString(2, "x");
                    insert.addBatch();
                }
                seen.add(insert.executeBatch().length);
                conn.commit();
                for (int i : new int[] {5000, 1, 5001}) {
                    insert.setInt(1, i);
                    insert.setString(2, "x");
                    insert.addBatch();
                }
                seen.add(sqlstate(insert::executeBatch));
                conn.rollback();
            }
            try (PreparedStatement keys = conn.prepareStatement("insert into batch_t values (?, 'k')", Statement.RETURN_GENERATED_KEYS)) {
                for (int i = 9000; i < 9003; i++) {
                    keys.setInt(1, i);
                    keys.addBatch();
                }
                keys.executeBatch();
                seen.add(rows(keys.getGeneratedKeys()));
            }
            seen.add(value(conn, "select count(*) from batch_t"));
        }
        return seen;
    }

    static Object several() throws Exception {
        Connection conn = connect();
        List<Object> seen = new ArrayList<>();
        try (Statement statement = conn.createStatement()) {
            boolean result = statement.execute("select 1; create temp table t (i int); insert into t values (1), (2); select 'b'");
            while (result || statement.getUpdateCount() != -1) {
                seen.add(result ? rows(statement.getResultSet()) : statement.getUpdateCount());
                result = statement.getMoreResults();
            }
        }
        seen.add(sqlstate(() -> execute(conn, "insert into t values (3); select 1/0; select 2")));
        Connection simple = connect("preferQueryMode", "simple");
        seen.add(rows(simple, "select ?::int", 7));
        return List.of(seen, rows(conn, "select count(*) from t"));
    }

    static Object transactions() throws Exception {
        Connection conn = connect();
        execute(conn, "create temp table t (i int)");
        conn.setAutoCommit(false);
        rows(conn, "insert into t values (?)", 1);
        List<Object> seen = new ArrayList<>();
        seen.add(sqlstate(() -> rows(conn, "select 1/0")));
        seen.add(sqlstate(() -> rows(conn, "select 1")));
        conn.commit(); // rolls back
        return List.of(seen, rows(conn, "select count(*) from t"));
    }

    static Object savepoints() throws Exception {
        Connection conn = connect();
        conn.setAutoCommit(false);
        execute(conn, "create temp table t (i int)");
        Savepoint savepoint = conn.setSavepoint("a");
        String state = sqlstate(() -> rows(conn, "insert into t values (1 / ?::int)", 0));
        conn.rollback(savepoint);
        rows(conn, "insert into t values (?)", 2);
        conn.releaseSavepoint(savepoint);
        conn.commit();
        return List.of(state, rows(conn, "select * from t"));
    }

    static Object autosave() throws Exception {
        List<Object> seen = new ArrayList<>();
        for (String mode : List.of("always", "conservative", "never")) {
            Connection conn = connect("autosave", mode);
            conn.setAutoCommit(false);
            execute(conn, "create temp table t (i int)");
            for (int i = 0; i < 7; i++) {
                rows(conn, "insert into t values (?)", i);
            }
            seen.add(sqlstate(() -> rows(conn, "select * from no_such_table")));
            try {
                seen.add(rows(conn, "select count(*) from t"));
            } catch (SQLException error) {
                seen.add(error.getSQLState());
            }
            conn.rollback();
        }
        return seen;
    }

    static Object isolation() throws Exception {
        Connection conn = connect();
        Connection other = connect();
        String sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        conn.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        conn.setReadOnly(true);
        conn.setAutoCommit(false);
        List<Object> seen = new ArrayList<>(List.of(rows(conn, sql), rows(other, sql)));
        seen.add(sqlstate(() -> execute(conn, "create table t ()")));
        conn.rollback();
        seen.add(conn.getTransactionIsolation());
        Connection always = connect("readOnly", "true", "readOnlyMode", "always");
        seen.add(sqlstate(() -> execute(always, "create table t ()")));
        return List.of(seen, rows(other, sql));
    }

    static Object cursor() throws Exception {
        Connection conn = connect("defaultRowFetchSize", "7");
        conn.setAutoCommit(false);
        List<Object> seen = new ArrayList<>();
        seen.add(rows(conn, "select generate_series(1, ?::int)", 50).size());
        try (Statement statement = conn.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                ResultSet result = statement.executeQuery("select generate_series(1, 50)")) {
            result.absolute(41);
            seen.add(result.getInt(1));
        }
        PreparedStatement outer = conn.prepareStatement("select generate_series(1, 20)");
        ResultSet result = outer.executeQuery();
        int sum = 0;
        while (result.next()) { // other statements between the portions of one
            sum += (Integer) value(conn, "select ?::int * 2", result.getInt(1));
        }
        seen.add(sum);
        ResultSet left = outer.executeQuery();
        left.next();
        conn.commit();
        return List.of(seen, value(conn, "select 'goes on'"));
    }

    static Object copyIn() throws Exception {
        Connection conn = connect();
        execute(conn, "create temp table copy_t (i int, t text)");
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 20000; i++) {
            lines.append(i).append("\tü\n");
        }
        var manager = conn.unwrap(PGConnection.class).getCopyAPI();
        List<Object> seen = new ArrayList<>();
        seen.add(manager.copyIn("copy copy_t from stdin", new StringReader(lines.toString())));
        seen.add(sqlstate(() -> {
            try {
                manager.copyIn("copy copy_t from stdin", new StringReader("no number\tx\n".repeat(1000)));
            } catch (java.io.IOException error) {
                throw new AssertionError(error);
            }
        }));
        var givenUp = manager.copyIn("copy copy_t from stdin");
        givenUp.writeToCopy("1\tx\n".getBytes(), 0, 4);
        givenUp.cancelCopy();
        return List.of(seen, rows(conn, "select count(*) from copy_t"));
    }

    static Object copyOut() throws Exception {
        Connection conn = connect();
        StringWriter out = new StringWriter();
        var manager = conn.unwrap(PGConnection.class).getCopyAPI();
        long rows = manager.copyOut("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout", out);
        return List.of(rows, out.toString().length(), value(conn, "select 1"));
    }

    static Object heard() throws Exception {
        Connection conn = connect();
        Connection other = connect();
        execute(conn, "listen chan");
        Thread.sleep(200); // idle
        rows(other, "select pg_notify('chan', ?)", "while idle");
        PGNotification[] heard = conn.unwrap(PGConnection.class).getNotifications(10000);
        execute(conn, "unlisten *");
        return List.of(heard.length, heard[0].getName(), heard[0].getParameter());
    }

    static Object cancel() throws Exception {
        Connection conn = connect();
        Connection other = connect();
        Statement statement = conn.createStatement();
        Thread canceller = new Thread(() -> {
            try {
                while (!value(other, SLEEPS).equals(1L)) {
                    Thread.onSpinWait();
                }
                statement.cancel();
            } catch (SQLException error) {
                throw new AssertionError(error);
            }
        });
        canceller.start();
        List<Object> seen = new ArrayList<>();
        seen.add(sqlstate(() -> statement.execute("select /* to be cancelled */ pg_sleep(60)")));
        canceller.join();
        statement.setQueryTimeout(1);
        seen.add(sqlstate(() -> statement.execute("select pg_sleep(60)")));
        return List.of(seen, value(conn, "select 'goes on'"));
    }

    static Object errors() throws Exception {
        Connection conn = connect();
        execute(conn, "create temp table errors_t (i int primary key check (i > 0), n text not null)");
        List<Object> seen = new ArrayList<>();
        for (String sql : List.of("select * from no_such_table", "select 'a' from customers where nam = 'é'",
                "insert into errors_t values (0, '')", "insert into errors_t values (1, null)",
                "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
                "do $$begin execute 'select 1 +'; end$$", "selec")) {
            try {
                execute(conn, sql);
            } catch (PSQLException error) {
                ServerErrorMessage m = error.getServerErrorMessage();
                seen.add(Arrays.asList(m.getSeverity(), m.getSQLState(), m.getMessage(), m.getDetail(), m.getHint(), m.getPosition(),
                        m.getInternalPosition(), m.getInternalQuery(), m.getWhere(), m.getTable(), m.getColumn(), m.getConstraint()));
            }
        }
        return seen;
    }

    static Object notices() throws Exception {
        List<Object> seen = new ArrayList<>();
        try (Statement statement = connect().createStatement()) {
            statement.execute("do $$begin raise notice 'n'; raise warning 'w'; end$$");
            for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
                seen.add(warning.getSQLState() + " " + warning.getMessage());
            }
        }
        return seen;
    }

    static Object settings() throws Exception {
        Connection conn = connect();
        Connection other = connect();
        String sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')";
        conn.setSchema("hr");
        execute(conn, "set time zone 'Asia/Tokyo'");
        conn.setClientInfo("ApplicationName", "renamed");
        List<Object> seen = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            seen.add(List.of(rows(conn, sql), rows(other, sql), value(conn, "show application_name")));
        }
        conn.setAutoCommit(false);
        execute(conn, "set local work_mem = '1MB'; set time zone 'Europe/Paris'");
        seen.add(rows(conn, sql));
        conn.rollback();
        return List.of(seen, rows(conn, sql), conn.getSchema());
    }

    static Object state() throws Exception {
        Connection conn = connect();
        Connection other = connect();
        execute(conn, "create temp table state_t (i serial); insert into state_t default values");
        rows(conn, "select pg_advisory_lock(?)", 7L);
        return List.of(value(conn, "select currval('state_t_i_seq')"), sqlstate(() -> rows(other, "select * from state_t")),
                value(other, "select pg_try_advisory_lock(7)"), value(conn, "select pg_advisory_unlock(7)"));
    }

    static Object metadata() throws Exception {
        DatabaseMetaData metadata = connect().getMetaData();
        List<Object> seen = new ArrayList<>(List.of(metadata.getDatabaseMajorVersion() > 0));
        for (ResultSet result : List.of(metadata.getColumns(null, "public", "orders", null), metadata.getTables(null, "hr", null, new String[] {"TABLE"}),
                metadata.getImportedKeys(null, "public", "orders"), metadata.getPrimaryKeys(null, "public", "order_items"))) {
            seen.add(rows(result).size());
        }
        return seen;
    }

    static Object big() throws Exception {
        Connection conn = connect();
        String text = "0123456789abcde\n".repeat(10 * 1024 * 1024 / 16);
        equal(value(conn, "select ?::text", text), text);
        return rows(conn, "select g, 'row ' || g from generate_series(1, 200000) g").size();
    }

    static Object sharing() throws Exception {
        List<Connection> conns = new ArrayList<>();
        for (int who = 0; who < 8; who++) {
            conns.add(connect());
            conns.get(who).setAutoCommit(false);
        }
        execute(conns.get(0), "create table sharing_t (who int, i int)");
        conns.get(0).commit();
        for (int i = 0; i < 10; i++) {
            for (int who = 0; who < 8; who++) {
                rows(conns.get(who), "insert into sharing_t values (?, ?)", who, i);
                if (who == 3) {
                    conns.get(who).rollback();
                } else {
                    conns.get(who).commit();
                }
            }
        }
        Object seen = rows(conns.get(7), "select who, count(*), sum(i) from sharing_t group by who order by who");
        execute(conns.get(7), "drop table sharing_t");
        conns.get(7).commit();
        return seen;
    }

    static List<String> spellings(String question) {
        return List.of("-- ask: " + question, "/* ask: " + question + " */", "ask: " + question, "ask " + question + ";",
                "select -- ask: " + question + "\n;", "select * from ask('" + question + "')");
    }

    static Object ask() throws Exception {
        Connection conn = connect();
        Object count = value(conn, COUNT_SQL);
        int groups = rows(conn, "select distinct country from customers").size();
        for (String threshold : List.of("5", "1", "0")) {
            Connection asking = connect("prepareThreshold", threshold);
            for (String sql : spellings(COUNT)) {
                for (int i = 0; i < 3; i++) {
                    equal(value(asking, sql), count);
                }
                try (Statement statement = asking.createStatement(); ResultSet result = statement.executeQuery(sql)) {
                    equal(rows(result).get(0).get(0), count);
                }
            }
            for (String sql : spellings(GROUPS)) {
                equal(rows(asking, sql).size(), groups);
            }
            asking.close();
        }
        equal(value(connect("preferQueryMode", "simple"), "/* ask: " + COUNT + " */"), count);
        return List.of(count, groups);
    }

    static Object askParameter() throws Exception {
        List<Object> seen = new ArrayList<>();
        try (PreparedStatement statement = connect().prepareStatement("select * from ask('how many customers in country $1', ?)")) {
            for (int i = 0; i < 7; i++) {
                seen.add(rows(statement, i % 2 == 0 ? "Germany" : "nowhere"));
            }
        }
        return seen;
    }

    static Object askInSql() throws Exception {
        Connection conn = connect("defaultRowFetchSize", "3");
        conn.setAutoCommit(false);
        return List.of(rows(conn, "/* ask: " + GROUPS + " */").size(), rows(conn, "select * from (/* ask: " + GROUPS + " */) r limit ?", 3).size());
    }

    static Object askRefused() throws Exception {
        Connection conn = connect();
        return List.of(sqlstate(() -> rows(conn, "/* ask: grumble the wibbly flonks */")), value(conn, "select 1"));
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Feature> plain = new LinkedHashMap<>();
        plain.put("options", JdbcClient::options);
        plain.put("parameters", JdbcClient::parameters);
        plain.put("binary", JdbcClient::binary);
        plain.put("prepared", JdbcClient::prepared);
        plain.put("batch", JdbcClient::batch);
        plain.put("several", JdbcClient::several);
        plain.put("transactions", JdbcClient::transactions);
        plain.put("savepoints", JdbcClient::savepoints);
        plain.put("autosave", JdbcClient::autosave);
        plain.put("isolation", JdbcClient::isolation);
        plain.put("cursor", JdbcClient::cursor);
        plain.put("copy-in", JdbcClient::copyIn);
        plain.put("copy-out", JdbcClient::copyOut);
        plain.put("notify", JdbcClient::heard);
        plain.put("cancel", JdbcClient::cancel);
        plain.put("errors", JdbcClient::errors);
        plain.put("notices", JdbcClient::notices);
        plain.put("settings", JdbcClient::settings);
        plain.put("metadata", JdbcClient::metadata);
        plain.put("big", JdbcClient::big);
        plain.put("sharing", JdbcClient::sharing);
        // Once a session has asked for currval, sessions that insert keep their connections.
        plain.put("state", JdbcClient::state);
        Map<String, Feature> asks = new LinkedHashMap<>();
        asks.put("ask", JdbcClient::ask);
        asks.put("ask-parameter", JdbcClient::askParameter);
        asks.put("ask-in-sql", JdbcClient::askInSql);
        asks.put("ask-refused", JdbcClient::askRefused);
        boolean failed = false;
        System.out.println("driver\tpgjdbc " + org.postgresql.util.DriverInfo.DRIVER_VERSION);
        for (Map.Entry<String, Feature> feature : (arguments[0].equals("plain") ? plain : asks).entrySet()) {
            String seen;
            try {
                seen = String.valueOf(feature.getValue().run());
            } catch (Exception | AssertionError error) {
                failed = true;
                error.printStackTrace();
                seen = "FAILED: " + error;
            }
            System.out.println(feature.getKey() + "\t" + seen.replace('\n', ' '));
            for (Connection conn : opened) {
                conn.close();
            }
            opened.clear();
        }
        System.exit(failed ? 1 : 0);
    }
}
