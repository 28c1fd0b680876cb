// pgjdbc for the matrix of asks; cells and answers as in asks.py. `preferQueryMode` chooses the protocol.

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;

public class AsksJdbc {
    public static void main(String[] arguments) throws Exception {
        Map<String, Connection> connections = Map.of("simple", connect("simple"), "extended", connect("extended"));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            Map<?, ?> cell = (Map<?, ?>) new Json(line).value();
            Connection conn = connections.get(cell.get("protocol"));
            System.out.println("{\"id\": " + cell.get("id") + ", " + answer(conn, (List<?>) cell.get("steps")) + "}");
        }
    }

    static Connection connect(String protocol) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("preferQueryMode", protocol);
        String place = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection("jdbc:postgresql://" + place, properties);
    }

    static String answer(Connection conn, List<?> steps) throws Exception {
        try {
            List<List<String>> rows = List.of();
            for (Object step : steps) {
                rows = run(conn, (Map<?, ?>) step);
            }
            return "\"rows\": " + Json.print(rows);
        } catch (SQLException error) {
            // Those of JDBC itself (class 07 and the like) come without a message of the server's.
            boolean servers = ((org.postgresql.util.PSQLException) error).getServerErrorMessage() != null;
            return servers ? "\"sqlstate\": " + Json.print(error.getSQLState()) : "\"fails\": " + Json.print(error.getMessage());
        } finally {
            try (Statement statement = conn.createStatement()) {
                statement.execute("rollback");
            }
        }
    }

    static List<List<String>> run(Connection conn, Map<?, ?> step) throws Exception {
        String sql = (String) step.get("sql");
        List<?> values = (List<?>) step.get("values");
        if ((Boolean) step.get("copies")) {
            StringWriter out = new StringWriter();
            conn.unwrap(PGConnection.class).getCopyAPI().copyOut("copy (" + sql + ") to stdout", out);
            return out.toString().lines().map(line -> List.of(line.split("\t"))).toList();
        }
        if (values.isEmpty()) {
            try (Statement statement = conn.createStatement()) {
                return rows(statement, statement.execute(sql));
            }
        }
        try (PreparedStatement statement = conn.prepareStatement(sql)) {
            for (int i = 0; i < values.size(); i++) {
                statement.setString(i + 1, (String) values.get(i));
            }
            return rows(statement, statement.execute());
        }
    }

    static List<List<String>> rows(Statement statement, boolean isResult) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        for (boolean result = isResult; result || statement.getUpdateCount() != -1; result = statement.getMoreResults()) {
            if (!result) {
                continue;
            }
            ResultSet set = statement.getResultSet();
            while (set.next()) {
                List<String> row = new ArrayList<>();
                for (int i = 1; i <= set.getMetaData().getColumnCount(); i++) {
                    row.add(set.getString(i));
                }
                rows.add(row);
            }
        }
        return rows;
    }

    /** As much of JSON as a cell needs: objects, arrays, strings, whole numbers, true and false. */
    static class Json {
        final String text;
        int at;

        Json(String text) {
            this.text = text;
        }

        Object value() {
            char first = text.charAt(at);
            if (first == '{' || first == '[') {
                return first == '{' ? object() : array();
            }
            if (first == '"') {
                return string();
            }
            int start = at;
            while (at < text.length() && Character.isLetterOrDigit(text.charAt(at))) {
                at++;
            }
            String word = text.substring(start, at);
            return word.equals("true") || word.equals("false") ? (Object) Boolean.valueOf(word) : Integer.valueOf(word);
        }

        Map<String, Object> object() {
            Map<String, Object> map = new HashMap<>();
            for (at++; text.charAt(at) != '}'; skipComma()) {
                String name = string();
                at++;
                map.put(name, value());
            }
            at++;
            return map;
        }

        List<Object> array() {
            List<Object> list = new ArrayList<>();
            for (at++; text.charAt(at) != ']'; skipComma()) {
                list.add(value());
            }
            at++;
            return list;
        }

        void skipComma() {
            at += text.charAt(at) == ',' ? 1 : 0;
        }

        String string() {
            StringBuilder out = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                char c = text.charAt(at);
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                char escaped = text.charAt(++at);
                if (escaped == 'u') {
                    out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                    at += 4;
                } else {
                    out.append(escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped);
                }
            }
            at++;
            return out.toString();
        }

        static String print(Object value) {
            if (value instanceof List) {
                StringJoiner items = new StringJoiner(", ", "[", "]");
                ((List<?>) value).forEach(item -> items.add(print(item)));
                return items.toString();
            }
            if (value == null) {
                return "null";
            }
            StringBuilder out = new StringBuilder("\"");
            for (char c : value.toString().toCharArray()) {
                out.append(c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
            }
            return out.append('"').toString();
        }
    }
}
