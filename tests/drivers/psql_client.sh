# psql: what it can do beyond a single query, by its own commands. Runs in a folder of its own.
# `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
status=0

# feature NAME COMMAND...: what the command prints is what was seen, in one line, without ports and process numbers.
feature() {
    local name=$1 seen
    shift
    if seen=$("$@" 2>&1); then
        seen=$(printf %s "$seen" | sed -e "s/PID [0-9]*/PID N/g" -e "s/port \"$PGPORT\"/port N/g" -e 's/^psql:[^ ]* //' | tr '\n' '|')
    else
        seen="FAILED: $(printf %s "$seen" | tr '\n' '|')"
        status=1
    fi
    printf '%s\t%s\n' "$name" "$seen"
}

# The statements on standard input, in one session.
sql() { psql -XqAt "$@" -f -; true; }

equal() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }

options() {
    PGOPTIONS='-c work_mem=3MB -c search_path=hr' PGAPPNAME='its own' PGTZ=Asia/Tokyo PGDATESTYLE=german PGCLIENTENCODING=LATIN1 sql <<'SQL'
show work_mem;
show application_name;
show timezone;
show datestyle;
show client_encoding;
select count(*) > 0 from employees;
\c
show work_mem;
SQL
    psql -XqAt "dbname=$PGDATABASE options='-c geqo=off'" -c 'show geqo'
}

parameters() {
    sql <<'SQL'
\set name 'it''s'
select :'name' as "quoted", :"name" from (select 1 as "it's") t;
select 'ü' as letter, 42 as number \gset
select :'letter', :number;
\if :{?letter}
  select 'defined';
\endif
SQL
}

prepared() {
    sql <<'SQL'
prepare p (int) as select $1 * 2;
execute p (21);
begin;
execute p (22);
commit;
deallocate p;
execute p (1);
SQL
}

several() {
    psql -XqAt -c "select 1; select 2" -c "select 3"
    psql -XqAt -c "create table several_t (i int); insert into several_t values (1); select 1/0" || true
    psql -XqAt -1 -c "create table several_t (i int)" -c "insert into several_t values (1 / 0)" || true
    psql -XqAt -c "select to_regclass('several_t') is null"
    printf 'select 1\\;select 2;' | sql
}

transactions() {
    sql <<'SQL'
create temp table t (i int);
\set AUTOCOMMIT off
insert into t values (1);
rollback;
select count(*) from t;
select 1/0;
select 1;
rollback;
\set ON_ERROR_ROLLBACK on
insert into t values (2);
select 1/0;
commit;
select * from t;
SQL
}

savepoints() {
    sql <<'SQL'
begin;
create temp table t (i int);
savepoint a;
insert into t values (1 / 0);
rollback to a;
insert into t values (2);
commit;
select * from t;
SQL
}

isolation() {
    sql <<'SQL'
begin isolation level serializable read only;
show transaction_isolation;
create table t ();
rollback;
show transaction_read_only;
SQL
}

cursor() {
    sql <<'SQL' | md5sum
\set FETCH_COUNT 7
select generate_series(1, 5000);
select 'goes on';
SQL
    sql <<'SQL'
begin;
declare c scroll cursor with hold for select generate_series(1, 50);
commit;
move 40 in c;
fetch 2 from c;
fetch -1 from c;
SQL
}

copy_in() {
    seq 20000 | sed 's/$/\tü/' >rows.tsv
    sql <<'SQL'
create temp table copy_t (i int, t text);
\copy copy_t from rows.tsv
copy copy_t from stdin (format csv);
1,x
2,
\.
\copy copy_t from program 'yes "no number" | head -1000'
\copy copy_t (i) from program 'seq 3'
select count(*) from copy_t;
SQL
}

copy_out() {
    sql <<'SQL'
\copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to out.tsv
copy (values (1, 'ü')) to stdout (format csv, header);
copy (select 1 / (3 - g) from generate_series(1, 5) g) to stdout;
select 'goes on';
SQL
    wc -c <out.tsv
}

# Notifications are printed with the answer to the next command.
notify() {
    sql <<'SQL'
listen chan;
\! psql -XqAt -c "select pg_notify('chan', 'while idle')" >notified
select 'the next command';
SQL
}

cancel() {
    # A process group of its own, so that the interrupt reaches psql as from a terminal.
    printf 'select /* to be cancelled */ pg_sleep(60);\nselect 1;\n' >sleep.sql
    python3 - <<'PYTHON'
import signal, subprocess
signal.signal(signal.SIGINT, signal.SIG_DFL)
psql = subprocess.Popen(["psql", "-XqAt", "-f", "sleep.sql"], stderr=subprocess.PIPE, text=True)
sleeps = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%to be cancelled%'"
while subprocess.run(["psql", "-XqAt", "-c", sleeps], capture_output=True, text=True).stdout != "1\n":
    pass
psql.send_signal(signal.SIGINT)
print(psql.communicate()[1], end="")
PYTHON
    psql -XqAt -c "set statement_timeout = 50" -c "select pg_sleep(60)" || true
    psql -XqAt -c "select 'goes on'"
}

errors() {
    sql -v VERBOSITY=verbose <<'SQL' 2>&1 | grep -v -e LOCATION -e 'SCHEMA NAME'
create temp table errors_t (i int primary key check (i > 0), n text not null);
select * from no_such_table;
select 'a' from customers where nam = 'é';
insert into errors_t values (0, '');
insert into errors_t values (1, null);
do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$;
do $$begin execute 'select 1 +'; end$$;
selec;
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
SQL
}

notices() {
    sql <<'SQL'
do $$begin raise notice 'n' using hint = 'h'; raise warning 'w'; end$$;
drop table if exists not_there;
SQL
}

settings() {
    sql <<'SQL'
set search_path = hr;
set time zone 'Asia/Tokyo';
\encoding LATIN1
\! psql -XqAt -c 'show search_path' -c 'show timezone' -c 'show client_encoding'
show search_path;
show timezone;
show client_encoding;
begin;
set time zone 'Europe/Paris';
set local work_mem = '1MB';
show work_mem;
rollback;
show timezone;
show work_mem;
reset all;
show search_path;
SQL
}

state() {
    sql <<'SQL'
create temp table state_t (i serial);
insert into state_t default values;
select pg_advisory_lock(7);
\! psql -XqAt -c "select pg_try_advisory_lock(7)" -c "select * from state_t" -c "select lastval()"
select currval('state_t_i_seq'), lastval(), pg_advisory_unlock(7);
discard all;
select * from state_t;
SQL
}

big() {
    sql <<'SQL' | md5sum
select repeat('0123456789abcde', 700000);
select g, 'row ' || g from generate_series(1, 200000) g;
SQL
}

sharing() {
    psql -XqAt -c 'create table sharing_t (who int, i int)'
    for who in 0 1 2 3 4 5 6 7; do
        for i in $(seq 20); do
            echo "begin; insert into sharing_t values ($who, $i);"
            [ "$who" = 3 ] && echo 'rollback;' || echo 'commit;'
        done | sql &
    done
    wait
    psql -XqAt -c 'select who, count(*), sum(i) from sharing_t group by who order by who' -c 'drop table sharing_t'
}

pipeline_of_commands() {
    sql <<'SQL'
select 'select ' || g from generate_series(1, 3) g \gexec
select 1 as a, 2 as b \gdesc
select 'x' as who, 'y' as what, 1 as n \crosstabview
SQL
}

backslash_d() {
    sql <<'SQL'
\d orders
\dt hr.*
\dT order_status
\df count
\dn
\conninfo
\sf no_such_function
SQL
}

spellings() {
    cat <<SQL
/* ask: $1 */;
ask: $1;
ask $1;
select -- ask: $1
;
select * from ask('$1');
select * from (/* ask: $1 */) r;
SQL
}

ask() {
    local count spelled
    count=$(psql -XqAt -c "select count(*) from customers where country = 'Germany'")
    spelled=$(spellings 'how many customers are from Germany' | sql 2>/dev/null | sort -u)
    equal "$spelled" "$count" || return 1
    for spelled in "-- ask: how many customers are from Germany" "/* ask: how many customers are from Germany */"; do
        equal "$(psql -XqAt -c "$spelled" 2>/dev/null)" "$count" || return 1
    done
    spellings 'number of customers per country' | sql 2>/dev/null | sort | uniq -c | awk '{ print $1 }' | sort -u
}

ask_in_sql() {
    sql 2>/dev/null <<'SQL'
select count(*) from (/* ask: number of customers per country */) r;
copy (/* ask: how many customers are from Germany */) to stdout;
\set FETCH_COUNT 3
ask number of customers per country;
\copy (/* ask: how many customers are from Germany */) to asked.tsv
SQL
    cat asked.tsv
}

ask_refused() {
    sql -v VERBOSITY=verbose <<'SQL'
ask grumble the wibbly flonks;
select 'goes on';
SQL
}

printf 'driver\tpsql %s\n' "$(psql --version | awk '{ print $3 }')"
if [ "$1" = plain ]; then
    for name in options parameters prepared several transactions savepoints isolation cursor copy-in copy-out notify \
        cancel errors notices settings big sharing state; do # inserting sessions keep their connections after a currval
        feature "$name" "$(printf %s "$name" | tr - _)"
    done
    feature '\gexec, \gdesc, \crosstabview' pipeline_of_commands
    feature '\d and its like' backslash_d
else
    feature ask ask
    feature ask-in-sql ask_in_sql
    feature ask-refused ask_refused
fi
exit $status
