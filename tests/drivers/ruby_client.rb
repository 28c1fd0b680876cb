# Ruby's pg: all that libpq has: parameters, binary results, pipelines, single-row mode, COPY, notifications, cancel.
# `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.

require "pg"

COUNT = "how many customers are from Germany"
GROUPS = "number of customers per country"
SLEEPS = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() " \
         "and query like '%to be cancelled%'"

def connect(**options) = PG.connect(**options).tap { |conn| conn.set_notice_processor { |_| }; ($opened ||= []) << conn }
def value(conn, sql, *values) = conn.exec_params(sql, values).getvalue(0, 0)

def sqlstate
  yield
  raise "no error"
rescue PG::Error => error
  error.result&.error_field(PG::PG_DIAG_SQLSTATE) || error.class.name
end

def equal(found, expected) = found == expected || raise("#{found.inspect} is not #{expected.inspect}")

PLAIN = {
  "options" => lambda do
    conn, other = connect(application_name: "its own", options: "-c work_mem=3MB -c search_path=hr"), connect
    3.times.map { %w[application_name work_mem search_path].map { |name| value(conn, "show #{name}") } << value(other, "show work_mem") }
  end,
  "parameters" => lambda do
    conn = connect
    conn.type_map_for_results = PG::BasicTypeMapForResults.new(conn)
    conn.exec_params("select $1::int, $2::text, $3::text, $4::float8, $5::bool, $6::int[]", [41, nil, "ü'\\", 1.5, true, "{1,2}"]).values
  end,
  "binary" => lambda do
    conn = connect
    result = conn.exec_params("select $1::bytea, 7::int8, 'ü'::text", [{ value: "\0\xFF".b, format: 1 }], 1)
    [result.fformat(0), result.values.flatten.map(&:bytes)]
  end,
  "prepared" => lambda do
    conns = Array.new(4) { connect }
    conns.each_with_index { |conn, who| conn.prepare("one", "select $1::int * #{who}") }
    conns[0].exec("create table prepared_t (i int)")
    conns[1].prepare("insert", "insert into prepared_t values ($1)")
    30.times do |i|
      conns.each_with_index { |conn, who| equal conn.exec_prepared("one", [i]).getvalue(0, 0), (i * who).to_s }
      conns[1].transaction { |conn| conn.exec_prepared("insert", [i]) }
    end
    described = conns[1].describe_prepared("insert")
    conns[2].exec("deallocate one")
    state = sqlstate { conns[2].exec_prepared("one", [1]) }
    seen = [value(conns[3], "select count(*) from prepared_t"), described.nparams, state]
    conns[3].exec("drop table prepared_t")
    seen
  end,
  "pipeline" => lambda do
    conn = connect
    conn.enter_pipeline_mode
    10.times { |i| conn.send_query_params("select 10 / ($1::int - 4)", [i]) }
    conn.pipeline_sync
    conn.send_query_params("select 'after the sync'", [])
    conn.pipeline_sync
    seen = []
    until seen.count("PGRES_PIPELINE_SYNC") == 2
      result = conn.get_result or next
      begin
        result.check
        seen << (result.ntuples == 1 ? result.getvalue(0, 0) : result.res_status(result.result_status))
      rescue PG::Error => error
        seen << (error.result.error_field(PG::PG_DIAG_SQLSTATE) || error.class.name)
      end
    end
    conn.exit_pipeline_mode
    seen << value(conn, "select 1")
  end,
  "several" => lambda do
    conn = connect
    conn.send_query("select 1; create temp table t (i int); insert into t values (1), (2); select 'b'")
    seen = []
    while (result = conn.get_result)
      seen << [result.cmd_status, result.values]
    end
    [seen, sqlstate { conn.exec("insert into t values (3); select 1/0") }, value(conn, "select count(*) from t")]
  end,
  "transactions" => lambda do
    conn = connect
    conn.exec("create temp table t (i int)")
    seen = [sqlstate { conn.transaction { |c| c.exec("insert into t values (1)"); c.exec("select 1/0") } }]
    conn.exec("begin")
    seen << sqlstate { conn.exec("select 1/0") } << sqlstate { conn.exec("select 1") } << conn.transaction_status
    conn.exec("rollback")
    [seen, value(conn, "select count(*) from t"), conn.transaction_status]
  end,
  "savepoints" => lambda do
    conn = connect
    conn.exec("begin; create temp table t (i int); savepoint a")
    state = sqlstate { conn.exec_params("insert into t values (1 / $1::int)", [0]) }
    conn.exec("rollback to a; insert into t values (2); release a; commit")
    [state, conn.exec("select * from t").values]
  end,
  "isolation" => lambda do
    conn, other = connect, connect
    sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
    conn.exec("begin isolation level serializable read only")
    seen = [conn.exec(sql).values, other.exec(sql).values, sqlstate { conn.exec("create table t ()") }]
    conn.exec("rollback")
    seen << conn.exec(sql).values
  end,
  "cursor" => lambda do
    conn = connect
    conn.send_query("select generate_series(1, 1000)")
    conn.set_single_row_mode
    single = conn.get_result.stream_each_row.count
    conn.transaction do
      conn.exec("declare c cursor for select generate_series(1, 50)")
      [single, conn.exec("fetch 20 from c").ntuples, conn.exec("fetch all from c").ntuples]
    end
  end,
  "copy-in" => lambda do
    conn = connect
    conn.exec("create temp table copy_t (i int, t text)")
    done = conn.copy_data("copy copy_t from stdin") { 20_000.times { |i| conn.put_copy_data("#{i}\tü\n") } }
    refused = sqlstate { conn.copy_data("copy copy_t from stdin") { 1000.times { conn.put_copy_data("no number\tx\n") } } }
    given_up = begin
      conn.copy_data("copy copy_t from stdin") { conn.put_copy_data("1\tx\n"); raise "given up" }
    rescue RuntimeError => error
      error.message
    end
    [done.cmd_status, refused, given_up, value(conn, "select count(*) from copy_t")]
  end,
  "copy-out" => lambda do
    conn, bytes = connect, 0
    conn.copy_data("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout") do
      while (block = conn.get_copy_data)
        bytes += block.bytesize
      end
    end
    [bytes, value(conn, "select 1")]
  end,
  "notify" => lambda do
    conn, other = connect, connect
    conn.exec("listen chan")
    Thread.new { sleep 0.2; other.exec_params("select pg_notify('chan', $1)", ["while idle"]) }
    seen = nil
    conn.wait_for_notify(10) { |channel, _, payload| seen = [channel, payload] }
    conn.exec("unlisten *")
    seen
  end,
  "cancel" => lambda do
    conn, other = connect, connect
    conn.send_query("select /* to be cancelled */ pg_sleep(60)")
    nil until value(other, SLEEPS) == "1"
    conn.cancel
    [sqlstate { conn.get_last_result }, value(conn, "select 'goes on'")]
  end,
  "errors" => lambda do
    conn = connect
    conn.exec("create temp table errors_t (i int primary key check (i > 0), n text not null)")
    fields = PG.constants.grep(/\APG_DIAG_/).sort - %i[PG_DIAG_SCHEMA_NAME PG_DIAG_SOURCE_FILE PG_DIAG_SOURCE_LINE PG_DIAG_SOURCE_FUNCTION]
    ["select * from no_such_table", "insert into errors_t values (0, '')", "insert into errors_t values (1, null)",
     "do $$begin raise exception using errcode = 'ZZ123', message = 'm', detail = 'd', hint = 'h'; end$$",
     "do $$begin execute 'select 1 +'; end$$", "selec"].map do |sql|
      conn.exec(sql)
    rescue PG::Error => error
      fields.filter_map { |field| error.result.error_field(PG.const_get(field)) }
    end
  end,
  "notices" => lambda do
    conn, heard = connect, []
    conn.set_notice_receiver { |result| heard << [PG::PG_DIAG_SQLSTATE, PG::PG_DIAG_MESSAGE_PRIMARY].map { |f| result.error_field(f) } }
    conn.exec("do $$begin raise notice 'n'; raise warning 'w'; end$$")
    heard
  end,
  "settings" => lambda do
    conn, other = connect, connect
    sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')"
    conn.exec("set search_path = hr; set time zone 'Asia/Tokyo'")
    seen = 3.times.map { [conn.exec(sql).values, other.exec(sql).values] }
    conn.exec("begin; set local work_mem = '1MB'; set time zone 'Europe/Paris'")
    seen << conn.exec(sql).values << conn.parameter_status("TimeZone")
    conn.exec("rollback")
    seen << conn.exec(sql).values << conn.parameter_status("TimeZone")
    conn.reset
    seen << conn.exec(sql).values
  end,
  "big" => lambda do
    conn, text = connect, "0123456789abcde\n" * (10 * 1024 * 1024 / 16)
    equal value(conn, "select $1::text", text), text
    conn.exec("select g, 'row ' || g from generate_series(1, 200000) g").ntuples
  end,
  "sharing" => lambda do
    conns = Array.new(8) { connect }
    conns[0].exec("create table sharing_t (who int, i int)")
    conns.each_with_index.map do |conn, who|
      Thread.new do
        20.times do |i|
          conn.exec("begin")
          conn.exec_params("insert into sharing_t values ($1, $2)", [who, i])
          conn.exec(who == 3 ? "rollback" : "commit")
        end
      end
    end.each(&:join)
    seen = conns[7].exec("select who, count(*), sum(i) from sharing_t group by who order by who").values
    conns[7].exec("drop table sharing_t")
    seen
  end,
  # Last: once a session has asked for currval, sessions that insert keep their connections.
  "state" => lambda do
    conn, other = connect, connect
    conn.exec("create temp table state_t (i serial); insert into state_t default values")
    conn.exec("select pg_advisory_lock(7)")
    [value(conn, "select currval('state_t_i_seq')"), sqlstate { other.exec("select * from state_t") },
     value(other, "select pg_try_advisory_lock(7)"), value(conn, "select pg_advisory_unlock(7)")]
  end
}.freeze

ASKS = {
  "ask" => lambda do
    conn = connect
    count = conn.exec("select count(*) from customers where country = 'Germany'").values
    groups = conn.exec("select country, count(*) from customers group by country").values.sort
    spellings = ->(q) { ["-- ask: #{q}", "/* ask: #{q} */", "ask: #{q}", "ask #{q};", "select -- ask: #{q}\n;", "select * from ask('#{q}')"] }
    spellings[COUNT].each_with_index do |sql, i|
      equal conn.exec(sql).values, count
      equal conn.exec_params(sql, []).values, count
      conn.prepare("p#{i}", sql)
      2.times { equal conn.exec_prepared("p#{i}", []).values, count }
    end
    spellings[GROUPS].each { |sql| equal conn.exec(sql).values.sort, groups }
    [count, groups.size]
  end,
  "ask-parameter" => lambda do
    conn = connect
    conn.prepare("asked", "select * from ask('how many customers in country $1', $1)")
    %w[Germany nowhere].map { |country| conn.exec_prepared("asked", [country]).values }
  end,
  "ask-in-sql" => lambda do
    conn = connect
    conn.transaction do
      conn.exec("declare c cursor for /* ask: #{GROUPS} */")
      [conn.exec("fetch 3 from c").ntuples, conn.exec_params("select * from (/* ask: #{GROUPS} */) r limit $1", [4]).ntuples]
    end
  end,
  "ask-refused" => lambda do
    conn = connect
    [sqlstate { conn.exec("/* ask: grumble the wibbly flonks */") }, value(conn, "select 1")]
  end
}.freeze

failed = false
puts "driver\tpg (Ruby) #{PG::VERSION}"
{ "plain" => PLAIN, "asks" => ASKS }.fetch(ARGV[0]).each do |name, run|
  puts "#{name}\t#{run.call.inspect}"
rescue StandardError => error
  failed = true
  warn error.full_message
  puts "#{name}\tFAILED: #{error.message.tr("\n", " ")}"
ensure
  ($opened || []).each { |conn| conn.close unless conn.finished? }
  $opened = []
end
exit(failed ? 1 : 0)
