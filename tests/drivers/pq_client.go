// lib/pq under database/sql: its pool, statements prepared on whichever connection, COPY, a listener, contexts.
// `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

const (
	question = "how many customers are from Germany"
	groups   = "number of customers per country"
)

var (
	// Set at the build.
	version string
	ctx     = context.Background()
	opened  []*sql.DB
)

type querier interface {
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
}

// open gives a pool of so many connections.
func open(options string, connections int) *sql.DB {
	pool, err := sql.Open("postgres", "sslmode=disable "+options)
	check(err)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	opened = append(opened, pool)
	return pool
}

func run(on querier, text string, arguments ...interface{}) {
	_, err := on.ExecContext(ctx, text, arguments...)
	check(err)
}

func rows(on querier, text string, arguments ...interface{}) (all [][]interface{}) {
	found, err := on.QueryContext(ctx, text, arguments...)
	check(err)
	defer found.Close()
	for {
		columns, err := found.Columns()
		check(err)
		for found.Next() {
			row, places := make([]interface{}, len(columns)), make([]interface{}, len(columns))
			for i := range row {
				places[i] = &row[i]
			}
			check(found.Scan(places...))
			for i := range row {
				if bytes, is := row[i].([]byte); is {
					row[i] = string(bytes)
				}
			}
			all = append(all, row)
		}
		check(found.Err())
		if !found.NextResultSet() {
			return all
		}
	}
}

func value(on querier, text string, arguments ...interface{}) interface{} {
	return rows(on, text, arguments...)[0][0]
}

func fails(on querier, text string, arguments ...interface{}) string {
	_, err := on.ExecContext(ctx, text, arguments...)
	return sqlstate(err)
}

func sqlstate(err error) string {
	var failure *pq.Error
	if !errors.As(err, &failure) {
		panic(fmt.Sprint("no error of the server's: ", err))
	}
	return string(failure.Code)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(found, expected interface{}) {
	if fmt.Sprint(found) != fmt.Sprint(expected) {
		panic(fmt.Sprintf("%v is not %v", found, expected))
	}
}

func options() interface{} {
	pool, other, seen := open("application_name='its own' work_mem=3MB search_path=hr", 1), open("", 1), []interface{}{}
	for i := 0; i < 3; i++ {
		for _, name := range []string{"application_name", "work_mem", "search_path"} {
			seen = append(seen, value(pool, "show "+name))
		}
		seen = append(seen, value(other, "show work_mem"))
	}
	return seen
}

func parameters() interface{} {
	text := "select $1::int, $2::text, $3::text, $4::float8, $5::bool, $6::int[]"
	seen := []interface{}{}
	for _, mode := range []string{"", "binary_parameters=yes"} {
		seen = append(seen, rows(open(mode, 1), text, 41, nil, "ü'\\", 1.5, true, pq.Array([]int{1, 2})))
	}
	return seen
}

func prepared() interface{} {
	pool := open("", 6)
	run(pool, "create table prepared_t (i int primary key)")
	double, err := pool.Prepare("select $1::int * 2")
	check(err)
	insert, err := pool.Prepare("insert into prepared_t values ($1)")
	check(err)
	done := sync.WaitGroup{}
	for i := 0; i < 100; i++ {
		done.Add(1)
		go func(i int) {
			defer done.Done()
			var doubled int
			check(double.QueryRow(i).Scan(&doubled))
			equal(doubled, i*2)
			tx, err := pool.Begin()
			check(err)
			_, err = tx.Stmt(insert).Exec(i)
			check(err)
			check(tx.Commit())
		}(i)
	}
	done.Wait()
	check(double.Close())
	seen := value(pool, "select count(*) from prepared_t")
	run(open("", 1), "drop table prepared_t")
	return seen
}

func several() interface{} {
	pool := open("", 1)
	seen := rows(pool, "select 1; create temp table t (i int); insert into t values (1), (2); select 'b'")
	return []interface{}{seen, fails(pool, "insert into t values (3); select 1/0; select 2"), value(pool, "select count(*) from t")}
}

func transactions() interface{} {
	pool := open("", 1)
	run(pool, "create temp table t (i int)")
	tx, err := pool.Begin()
	check(err)
	run(tx, "insert into t values ($1)", 1)
	seen := []interface{}{fails(tx, "select 1/0"), fails(tx, "select 1"), tx.Commit() != nil}
	return append(seen, value(pool, "select count(*) from t"))
}

func savepoints() interface{} {
	pool := open("", 1)
	tx, err := pool.Begin()
	check(err)
	run(tx, "create temp table t (i int)")
	run(tx, "savepoint a")
	state := fails(tx, "insert into t values (1 / $1::int)", 0)
	run(tx, "rollback to a")
	run(tx, "insert into t values ($1)", 2)
	check(tx.Commit())
	return []interface{}{state, rows(pool, "select * from t")}
}

func isolation() interface{} {
	pool, other := open("", 1), open("", 1)
	text := "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	check(err)
	seen := []interface{}{rows(tx, text), rows(other, text), fails(tx, "create table t ()")}
	check(tx.Rollback())
	return append(seen, rows(pool, text))
}

func copyIn() interface{} {
	pool := open("", 1)
	run(pool, "create temp table copy_t (i int, t text)")
	seen := []interface{}{}
	for _, first := range []interface{}{0, "no number"} {
		tx, err := pool.Begin()
		check(err)
		into, err := tx.Prepare(pq.CopyIn("copy_t", "i", "t"))
		check(err)
		_, err = into.Exec(first, "ü")
		for i := 1; i < 20000 && err == nil; i++ {
			_, err = into.Exec(i, "ü")
		}
		if err == nil {
			_, err = into.Exec()
		}
		if err == nil {
			check(into.Close())
			check(tx.Commit())
		} else {
			seen = append(seen, sqlstate(err))
			// Waits for the driver's own reader, which would take a part of the answer to the ROLLBACK otherwise.
			into.Close()
			tx.Rollback()
		}
	}
	return append(seen, value(pool, "select count(*) from copy_t"))
}

func notify() interface{} {
	listener := pq.NewListener("sslmode=disable", time.Second, time.Second, nil)
	defer listener.Close()
	check(listener.Listen("chan"))
	time.Sleep(200 * time.Millisecond) // idle
	run(open("", 1), "select pg_notify('chan', $1)", "while idle")
	select {
	case heard := <-listener.Notify:
		check(listener.Ping())
		return []interface{}{heard.Channel, heard.Extra}
	case <-time.After(10 * time.Second):
		panic("nothing was heard")
	}
}

func cancel() interface{} {
	pool := open("", 1)
	waiting, done := context.WithTimeout(ctx, 300*time.Millisecond)
	defer done()
	_, err := pool.ExecContext(waiting, "select pg_sleep(60)")
	return []interface{}{sqlstate(err), value(pool, "select 'goes on'")}
}

func failures() interface{} {
	pool, seen := open("", 1), []interface{}{}
	run(pool, "create temp table errors_t (i int primary key check (i > 0), n text not null)")
	for _, text := range []string{
		"select * from no_such_table",
		"insert into errors_t values (0, '')",
		"insert into errors_t values (1, null)",
		"do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
		"do $$begin execute 'select 1 +'; end$$",
		"selec",
	} {
		_, err := pool.Exec(text)
		var f *pq.Error
		errors.As(err, &f)
		seen = append(seen, []string{f.Severity, string(f.Code), f.Message, f.Detail, f.Hint, f.Position, f.InternalPosition,
			f.InternalQuery, f.Where, f.Table, f.Column, f.Constraint})
	}
	return seen
}

func settings() interface{} {
	pool, other, seen := open("", 1), open("", 1), []interface{}{}
	text := "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')"
	run(pool, "set search_path = hr; set time zone 'Asia/Tokyo'")
	for i := 0; i < 3; i++ {
		seen = append(seen, rows(pool, text), rows(other, text))
	}
	tx, err := pool.Begin()
	check(err)
	run(tx, "set local work_mem = '1MB'")
	seen = append(seen, rows(tx, text))
	check(tx.Rollback())
	return append(seen, rows(pool, text))
}

func big() interface{} {
	pool, text := open("", 1), strings.Repeat("0123456789abcde\n", 10*1024*1024/16)
	if value(pool, "select $1::text", text).(string) != text {
		panic("not what was sent")
	}
	return len(rows(pool, "select g, 'row ' || g from generate_series(1, 200000) g"))
}

func sharing() interface{} {
	pool, conns := open("", 8), []*sql.Conn{}
	for who := 0; who < 8; who++ {
		conn, err := pool.Conn(ctx)
		check(err)
		conns = append(conns, conn)
	}
	run(conns[0], "create table sharing_t (who int, i int)")
	for i := 0; i < 10; i++ {
		for who, conn := range conns {
			tx, err := conn.BeginTx(ctx, nil)
			check(err)
			run(tx, "insert into sharing_t values ($1, $2)", who, i)
			if who == 3 {
				check(tx.Rollback())
			} else {
				check(tx.Commit())
			}
		}
	}
	seen := rows(conns[7], "select who, count(*), sum(i) from sharing_t group by who order by who")
	run(conns[7], "drop table sharing_t")
	for _, conn := range conns {
		check(conn.Close())
	}
	return seen
}

func spellings(q string) []string {
	return []string{"-- ask: " + q, "/* ask: " + q + " */", "ask: " + q, "ask " + q + ";", "select -- ask: " + q + "\n;",
		"select * from ask('" + q + "')"}
}

func ask() interface{} {
	pool := open("", 1)
	count := value(pool, "select count(*) from customers where country = 'Germany'")
	for _, text := range spellings(question) {
		equal(value(pool, text), count)
		statement, err := pool.Prepare(text)
		check(err)
		for i := 0; i < 2; i++ {
			var found int
			check(statement.QueryRow().Scan(&found))
			equal(found, count)
		}
	}
	countries := len(rows(pool, "select distinct country from customers"))
	for _, text := range spellings(groups) {
		equal(len(rows(pool, text)), countries)
	}
	return []interface{}{count, countries}
}

func askParameter() interface{} {
	pool := open("", 1)
	text := "select * from ask('how many customers in country $1', $1)"
	return []interface{}{value(pool, text, "Germany"), value(pool, text, "nowhere")}
}

func askInSQL() interface{} {
	return len(rows(open("", 1), "select * from (/* ask: "+groups+" */) r limit $1", 3))
}

func askRefused() interface{} {
	pool := open("", 1)
	return []interface{}{fails(pool, "/* ask: grumble the wibbly flonks */"), value(pool, "select 1")}
}

type feature struct {
	name string
	run  func() interface{}
}

var features = map[string][]feature{
	"plain": {{"options", options}, {"parameters", parameters}, {"prepared", prepared}, {"several", several},
		{"transactions", transactions}, {"savepoints", savepoints}, {"isolation", isolation}, {"copy-in", copyIn},
		{"notify", notify}, {"cancel", cancel}, {"errors", failures}, {"settings", settings}, {"big", big}, {"sharing", sharing}},
	"asks": {{"ask", ask}, {"ask-parameter", askParameter}, {"ask-in-sql", askInSQL}, {"ask-refused", askRefused}},
}

// seen is what a feature returns, or how it failed.
func seen(one feature) (text string) {
	defer func() {
		if failure := recover(); failure != nil {
			text = fmt.Sprint("FAILED: ", failure)
		}
		for _, pool := range opened {
			pool.Close()
		}
		opened = nil
	}()
	return fmt.Sprint(one.run())
}

func main() {
	status := 0
	fmt.Println("driver\tlib/pq (Go)", version)
	for _, one := range features[os.Args[1]] {
		text := strings.ReplaceAll(seen(one), "\n", " ")
		if strings.HasPrefix(text, "FAILED") {
			status = 1
		}
		fmt.Printf("%s\t%s\n", one.name, text)
	}
	os.Exit(status)
}
