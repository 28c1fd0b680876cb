// pgx: binary formats, its statement caches, batches in one round trip, nested transactions, COPY, notifications, pools.
// `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

const (
	question = "how many customers are from Germany"
	groups   = "number of customers per country"
	sleeps   = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()" +
		" and query like '%to be cancelled%'"
)

var (
	// Set at the build.
	version string
	ctx     = context.Background()
	opened  []*pgx.Conn
)

// session is a connection whose methods panic where they fail; a feature that panics has failed.
type session struct{ *pgx.Conn }

func connect(configure ...func(*pgx.ConnConfig)) session {
	config := must(pgx.ParseConfig("")).(*pgx.ConnConfig)
	for _, set := range configure {
		set(config)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	check(err)
	opened = append(opened, conn)
	return session{conn}
}

func simple(config *pgx.ConnConfig) { config.PreferSimpleProtocol = true }

func unprepared(config *pgx.ConnConfig) { config.BuildStatementCache = nil }

func (s session) run(sql string, arguments ...interface{}) string {
	tag, err := s.Exec(ctx, sql, arguments...)
	check(err)
	return tag.String()
}

func (s session) rows(sql string, arguments ...interface{}) [][]interface{} {
	found, err := s.Query(ctx, sql, arguments...)
	check(err)
	return collect(found)
}

func (s session) value(sql string, arguments ...interface{}) interface{} {
	return s.rows(sql, arguments...)[0][0]
}

func (s session) sqlstate(sql string, arguments ...interface{}) string {
	_, err := s.Exec(ctx, sql, arguments...)
	return sqlstate(err)
}

func collect(found pgx.Rows) (all [][]interface{}) {
	defer found.Close()
	for found.Next() {
		row, err := found.Values()
		check(err)
		all = append(all, row)
	}
	check(found.Err())
	return all
}

func sqlstate(err error) string {
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		panic(fmt.Sprint("no error of the server's: ", err))
	}
	return failure.Code
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must(value interface{}, err error) interface{} {
	check(err)
	return value
}

func equal(found, expected interface{}) {
	if fmt.Sprint(found) != fmt.Sprint(expected) {
		panic(fmt.Sprintf("%v is not %v", found, expected))
	}
}

func options() interface{} {
	conn := connect(func(config *pgx.ConnConfig) {
		for name, value := range map[string]string{"application_name": "its own", "work_mem": "3MB", "search_path": "hr"} {
			config.RuntimeParams[name] = value
		}
	})
	other, seen := connect(), []interface{}{}
	for i := 0; i < 3; i++ {
		for _, name := range []string{"application_name", "work_mem", "search_path"} {
			seen = append(seen, conn.value("show "+name))
		}
		seen = append(seen, other.value("show work_mem"))
	}
	return seen
}

func parameters() interface{} {
	seen := []interface{}{}
	for _, mode := range []func(*pgx.ConnConfig){func(*pgx.ConnConfig) {}, simple, unprepared} {
		sql := "select $1::int4, $2::text, $3::text, $4::float8, $5::bool, $6::bytea, $7::timestamptz"
		at := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
		row := connect(mode).rows(sql, 41, nil, "ü'\\", 1.5, true, []byte{0, 255}, at)[0]
		row[6] = row[6].(time.Time).UTC()
		seen = append(seen, row)
	}
	return seen
}

func binary() interface{} {
	conn := connect()
	var (
		numbers []int32
		names   []string
		span    time.Duration
	)
	check(conn.QueryRow(ctx, "select $1::int4[], $2::text[], interval '90 minutes'", []int32{1, 2}, []string{"a", "ü"}).Scan(&numbers, &names, &span))
	var text int32
	check(conn.QueryRow(ctx, "select 7", pgx.QueryResultFormats{pgx.TextFormatCode}).Scan(&text))
	return []interface{}{numbers, names, span, text}
}

func prepared() interface{} {
	conns := []session{connect(), connect(), connect(unprepared), connect(simple)}
	conns[0].run("create table prepared_t (i int primary key)")
	for who, conn := range conns {
		must(conn.Prepare(ctx, "one", fmt.Sprintf("select $1::int4 * %d", who)))
	}
	for i := 0; i < 30; i++ {
		for who, conn := range conns {
			equal(conn.value("one", i), i*who)
			equal(conn.value("select $1::int4 + 1", i), i+1)
		}
		check(conns[1].BeginFunc(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into prepared_t values ($1)", i)
			return err
		}))
	}
	check(conns[0].Deallocate(ctx, "one"))
	seen := []interface{}{conns[1].rows("select count(*) from prepared_t"), conns[0].value("select $1::int4 + 1", 1)}
	connect().run("drop table prepared_t")
	return seen
}

func batch() interface{} {
	conn := connect()
	conn.run("create temp table batch_t (i int primary key)")
	work := &pgx.Batch{}
	for i := 0; i < 1000; i++ {
		work.Queue("insert into batch_t values ($1)", i)
	}
	check(conn.SendBatch(ctx, work).Close())
	failing := &pgx.Batch{}
	for _, i := range []int{5000, 1, 5001} {
		failing.Queue("insert into batch_t values ($1)", i)
	}
	err := conn.SendBatch(ctx, failing).Close()
	return []interface{}{sqlstate(err), conn.value("select count(*) from batch_t")}
}

func several() interface{} {
	conn := connect()
	results, err := conn.PgConn().Exec(ctx, "select 1; create temp table t (i int); insert into t values (1), (2); select 'b'").ReadAll()
	check(err)
	seen := []interface{}{}
	for _, result := range results {
		seen = append(seen, result.CommandTag.String(), result.Rows)
	}
	_, err = conn.PgConn().Exec(ctx, "insert into t values (3); select 1/0; select 2").ReadAll()
	return append(seen, sqlstate(err), conn.value("select count(*) from t"))
}

func transactions() interface{} {
	conn := connect()
	conn.run("create temp table t (i int)")
	tx := must(conn.Begin(ctx)).(pgx.Tx)
	must(tx.Exec(ctx, "insert into t values (1)"))
	seen := []interface{}{conn.sqlstate("select 1/0"), conn.sqlstate("select 1"), string(conn.PgConn().TxStatus())}
	seen = append(seen, tx.Commit(ctx) == pgx.ErrTxCommitRollback)
	return append(seen, conn.value("select count(*) from t"), string(conn.PgConn().TxStatus()))
}

func savepoints() interface{} {
	conn := connect()
	tx := must(conn.Begin(ctx)).(pgx.Tx)
	must(tx.Exec(ctx, "create temp table t (i int)"))
	inner := must(tx.Begin(ctx)).(pgx.Tx)
	state := conn.sqlstate("insert into t values (1 / $1::int4)", 0)
	check(inner.Rollback(ctx))
	must(tx.Exec(ctx, "insert into t values ($1)", 2))
	check(tx.Commit(ctx))
	return []interface{}{state, conn.rows("select * from t")}
}

func isolation() interface{} {
	conn, other := connect(), connect()
	sql := "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
	tx := must(conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly})).(pgx.Tx)
	seen := []interface{}{conn.rows(sql), other.rows(sql), conn.sqlstate("create table t ()")}
	check(tx.Rollback(ctx))
	return append(seen, conn.rows(sql))
}

func copyIn() interface{} {
	conn := connect()
	conn.run("create temp table copy_t (i int4, t text)")
	source := pgx.CopyFromSlice(20000, func(i int) ([]interface{}, error) { return []interface{}{i, "ü"}, nil })
	copied := must(conn.CopyFrom(ctx, pgx.Identifier{"copy_t"}, []string{"i", "t"}, source))
	broken := pgx.CopyFromSlice(5, func(i int) ([]interface{}, error) { return nil, errors.New("given up") })
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"copy_t"}, []string{"i", "t"}, broken)
	_, refused := conn.PgConn().CopyFrom(ctx, strings.NewReader(strings.Repeat("no number\tx\n", 1000)), "copy copy_t from stdin")
	return []interface{}{copied, err != nil, sqlstate(refused), conn.value("select count(*) from copy_t")}
}

func copyOut() interface{} {
	conn, out := connect(), &bytes.Buffer{}
	tag := must(conn.PgConn().CopyTo(ctx, out, "copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout"))
	_, err := conn.PgConn().CopyTo(ctx, &bytes.Buffer{}, "copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout")
	return []interface{}{tag, out.Len(), sqlstate(err), conn.value("select 1")}
}

func notify() interface{} {
	conn, other := connect(), connect()
	conn.run("listen chan")
	told := make(chan struct{})
	time.AfterFunc(200*time.Millisecond, func() {
		defer close(told)
		other.run("select pg_notify('chan', $1)", "while idle")
	})
	waiting, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	heard := must(conn.WaitForNotification(waiting)).(*pgconn.Notification)
	<-told
	return []interface{}{heard.Channel, heard.Payload}
}

func cancel() interface{} {
	conn, other := connect(), connect()
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		for fmt.Sprint(other.value(sleeps)) != "1" {
		}
		check(conn.PgConn().CancelRequest(ctx))
	}()
	state := conn.sqlstate("select /* to be cancelled */ pg_sleep(60)")
	<-cancelled
	return []interface{}{state, conn.value("select 'goes on'")}
}

func failures() interface{} {
	conn, seen := connect(), []interface{}{}
	conn.run("create temp table errors_t (i int primary key check (i > 0), n text not null)")
	for _, sql := range []string{
		"select * from no_such_table",
		"select 'a' from customers where nam = 'é'",
		"insert into errors_t values (0, '')",
		"insert into errors_t values (1, null)",
		"do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
		"do $$begin execute 'select 1 +'; end$$",
		"selec",
	} {
		_, err := conn.Exec(ctx, sql)
		var f *pgconn.PgError
		errors.As(err, &f)
		seen = append(seen, []interface{}{f.Severity, f.Code, f.Message, f.Detail, f.Hint, f.Position, f.InternalPosition,
			f.InternalQuery, f.Where, f.TableName, f.ColumnName, f.ConstraintName})
	}
	return seen
}

func notices() interface{} {
	heard := []string{}
	conn := connect(func(config *pgx.ConnConfig) {
		config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
			heard = append(heard, notice.Severity, notice.Code, notice.Message, notice.Hint)
		}
	})
	conn.run("do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; end$$")
	return heard
}

func settings() interface{} {
	conn, other, seen := connect(), connect(), []interface{}{}
	sql := "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')"
	conn.run("set search_path = hr")
	conn.run("set time zone 'Asia/Tokyo'")
	for i := 0; i < 3; i++ {
		seen = append(seen, conn.rows(sql), other.rows(sql))
	}
	tx := must(conn.Begin(ctx)).(pgx.Tx)
	conn.run("set local work_mem = '1MB'")
	conn.run("set time zone 'Europe/Paris'")
	seen = append(seen, conn.rows(sql), conn.PgConn().ParameterStatus("TimeZone"))
	check(tx.Rollback(ctx))
	return append(seen, conn.rows(sql), conn.PgConn().ParameterStatus("TimeZone"))
}

func state() interface{} {
	conn, other := connect(), connect()
	conn.run("create temp table state_t (i serial)")
	conn.run("insert into state_t default values")
	conn.run("select pg_advisory_lock($1)", 7)
	return []interface{}{conn.value("select currval('state_t_i_seq')"), other.sqlstate("select * from state_t"),
		other.value("select pg_try_advisory_lock(7)"), conn.value("select pg_advisory_unlock(7)")}
}

func big() interface{} {
	conn, text := connect(), strings.Repeat("0123456789abcde\n", 10*1024*1024/16)
	if conn.value("select $1::text", text).(string) != text {
		panic("not what was sent")
	}
	return len(conn.rows("select g, 'row ' || g from generate_series(1, 200000) g"))
}

func sharing() interface{} {
	conns, done := []session{}, sync.WaitGroup{}
	for who := 0; who < 8; who++ {
		conns = append(conns, connect())
	}
	conns[0].run("create table sharing_t (who int, i int)")
	for who := range conns {
		done.Add(1)
		go func(who int, conn session) {
			defer done.Done()
			for i := 0; i < 20; i++ {
				tx := must(conn.Begin(ctx)).(pgx.Tx)
				conn.run("insert into sharing_t values ($1, $2)", who, i)
				if who == 3 {
					check(tx.Rollback(ctx))
				} else {
					check(tx.Commit(ctx))
				}
			}
		}(who, conns[who])
	}
	done.Wait()
	seen := conns[7].rows("select who, count(*), sum(i) from sharing_t group by who order by who")
	connect().run("drop table sharing_t")
	return seen
}

func pool() interface{} {
	config := must(pgxpool.ParseConfig("pool_max_conns=6")).(*pgxpool.Config)
	shared := must(pgxpool.ConnectConfig(ctx, config)).(*pgxpool.Pool)
	defer shared.Close()
	done := sync.WaitGroup{}
	for i := 0; i < 200; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			var doubled int
			check(shared.QueryRow(ctx, "select $1::int4 * 2", i).Scan(&doubled))
			equal(doubled, i*2)
		}(i)
	}
	done.Wait()
	return "200 queries"
}

func spellings(q string) []string {
	return []string{"-- ask: " + q, "/* ask: " + q + " */", "ask: " + q, "ask " + q + ";", "select -- ask: " + q + "\n;",
		"select * from ask('" + q + "')"}
}

func ask() interface{} {
	conn := connect()
	count := conn.value("select count(*) from customers where country = 'Germany'")
	countries := len(conn.rows("select distinct country from customers"))
	for _, mode := range []func(*pgx.ConnConfig){func(*pgx.ConnConfig) {}, simple, unprepared} {
		asking := connect(mode)
		for _, sql := range append(spellings(question), spellings(question)...) {
			equal(asking.value(sql), count)
		}
		for _, sql := range spellings(groups) {
			equal(len(asking.rows(sql)), countries)
		}
		check(asking.Close(ctx))
	}
	return []interface{}{count, countries}
}

func askParameter() interface{} {
	conn := connect()
	sql := "select * from ask('how many customers in country $1', $1)"
	return []interface{}{conn.value(sql, "Germany"), conn.value(sql, "nowhere")}
}

func askInSQL() interface{} {
	return len(connect().rows("select * from (/* ask: "+groups+" */) r limit $1", 3))
}

func askRefused() interface{} {
	conn := connect()
	return []interface{}{conn.sqlstate("/* ask: grumble the wibbly flonks */"), conn.value("select 1")}
}

type feature struct {
	name string
	run  func() interface{}
}

var features = map[string][]feature{
	"plain": {{"options", options}, {"parameters", parameters}, {"binary", binary}, {"prepared", prepared}, {"batch", batch},
		{"several", several}, {"transactions", transactions}, {"savepoints", savepoints}, {"isolation", isolation},
		{"copy-in", copyIn}, {"copy-out", copyOut}, {"notify", notify}, {"cancel", cancel}, {"errors", failures},
		{"notices", notices}, {"settings", settings}, {"big", big}, {"sharing", sharing}, {"pool", pool},
		// Once a session has asked for currval, sessions that insert keep their connections.
		{"state", state}},
	"asks": {{"ask", ask}, {"ask-parameter", askParameter}, {"ask-in-sql", askInSQL}, {"ask-refused", askRefused}},
}

// seen is what a feature returns, or how it failed.
func seen(one feature) (text string) {
	defer func() {
		if failure := recover(); failure != nil {
			text = fmt.Sprint("FAILED: ", failure)
		}
		for _, conn := range opened {
			conn.Close(ctx)
		}
		opened = nil
	}()
	return fmt.Sprint(one.run())
}

func main() {
	status := 0
	fmt.Println("driver\tpgx (Go)", version)
	for _, one := range features[os.Args[1]] {
		text := strings.ReplaceAll(seen(one), "\n", " ")
		if strings.HasPrefix(text, "FAILED") {
			status = 1
		}
		fmt.Printf("%s\t%s\n", one.name, text)
	}
	os.Exit(status)
}
