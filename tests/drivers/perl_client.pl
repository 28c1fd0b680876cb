# Perl's DBD::Pg: placeholders, server-side prepares on and off, savepoints, COPY, asynchronous queries, notifications.
# `plain` or `asks` as argument, the server in PG..., a line per feature, FAILED where it is wrong; see common.py.

use v5.30;
use warnings;
use utf8;
use open qw(:std :utf8);
use DBI;
use DBD::Pg qw(:pg_types :async);
use JSON::PP;

my $COUNT = "how many customers are from Germany";
my $GROUPS = "number of customers per country";
my $SLEEPS = "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
    . " and query like '%to be cancelled%'";
my @opened;

sub connected {
    my ($more, %attributes) = @_;
    my $dbh = DBI->connect("dbi:Pg:" . ($more // ""), undef, undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1, %attributes });
    push @opened, $dbh;
    return $dbh;
}

sub rows { my ($dbh, $sql, @values) = @_; return $dbh->selectall_arrayref($sql, undef, @values) }
sub value { return rows(@_)->[0][0] }
sub sqlstate { my ($dbh, $run) = @_; eval { $run->(); 1 } and die "no error"; return $dbh->state }
sub equal { my ($found, $expected) = map { encode($_) } @_; $found eq $expected or die "$found is not $expected" }
sub encode { return JSON::PP->new->canonical->allow_nonref->allow_blessed->encode($_[0]) }

my @plain = (
    options => sub {
        my ($dbh, $other) = (connected("application_name='its own';options='-c work_mem=3MB -c search_path=hr'"), connected());
        return [map { my $i = $_; [(map { value($dbh, "show $_") } qw(application_name work_mem search_path)), value($other, "show work_mem")] } 1 .. 3];
    },
    parameters => sub {
        my $dbh = connected();
        my $sth = $dbh->prepare("select ?::int, ?::text, ?::text, ?::int[], ?::bytea");
        $sth->bind_param(5, "\0\xff", { pg_type => PG_BYTEA });
        $sth->execute(41, undef, "ü'\\", [1, 2], "\0\xff");
        return $sth->fetchall_arrayref;
    },
    prepared => sub {
        my @dbhs = map { connected() } 1 .. 4;
        $dbhs[3]{pg_server_prepare} = 0;
        $dbhs[0]->do("create table prepared_t (i int)");
        my @sths = map { $_->prepare("select ?::int * 2") } @dbhs;
        my $insert = $dbhs[1]->prepare("insert into prepared_t values (?)");
        for my $i (1 .. 30) {
            for my $sth (@sths) { $sth->execute($i); equal($sth->fetchall_arrayref->[0][0] + 0, $i * 2) }
            $dbhs[1]->begin_work; $insert->execute($i); $dbhs[1]->commit;
        }
        my $seen = value($dbhs[2], "select count(*) from prepared_t");
        undef @sths; undef $insert;
        $dbhs[0]->do("drop table prepared_t");
        return [$seen, value($dbhs[1], "select ?::int * 2", 4)];
    },
    batch => sub {
        my $dbh = connected();
        $dbh->do("create temp table batch_t (i int primary key)");
        my $sth = $dbh->prepare("insert into batch_t values (?)");
        my $done = $sth->execute_array({ ArrayTupleStatus => \my @status }, [1 .. 200]);
        my $state = sqlstate($dbh, sub { $sth->execute_array({ ArrayTupleStatus => \@status }, [300, 1, 301]) });
        return [$done, $state, value($dbh, "select count(*) from batch_t")];
    },
    several => sub {
        my $dbh = connected();
        $dbh->do("create temp table t (i int); insert into t values (1), (2)");
        return [sqlstate($dbh, sub { $dbh->do("insert into t values (3); select 1/0") }), value($dbh, "select count(*) from t")];
    },
    transactions => sub {
        my $dbh = connected(undef, AutoCommit => 0);
        $dbh->do("create temp table t (i int)");
        $dbh->commit;
        $dbh->do("insert into t values (1)");
        my @seen = map { my $sql = $_; sqlstate($dbh, sub { rows($dbh, $sql) }) } "select 1/0", "select 1";
        push @seen, $dbh->ping;
        $dbh->rollback;
        return [@seen, value($dbh, "select count(*) from t")];
    },
    savepoints => sub {
        my $dbh = connected(undef, AutoCommit => 0);
        $dbh->do("create temp table t (i int)");
        $dbh->pg_savepoint("a");
        my $state = sqlstate($dbh, sub { $dbh->do("insert into t values (1 / 0)") });
        $dbh->pg_rollback_to("a");
        $dbh->do("insert into t values (2)");
        $dbh->pg_release("a");
        $dbh->commit;
        return [$state, rows($dbh, "select * from t")];
    },
    isolation => sub {
        my ($dbh, $other) = (connected(undef, AutoCommit => 0), connected());
        my $sql = "select current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        $dbh->do("set transaction isolation level serializable");
        my @seen = (rows($dbh, $sql), rows($other, $sql));
        $dbh->rollback;
        $dbh->{ReadOnly} = 1;
        push @seen, sqlstate($dbh, sub { $dbh->do("create table t ()") });
        $dbh->rollback;
        return [@seen, rows($other, $sql)];
    },
    cursor => sub {
        my $dbh = connected(undef, AutoCommit => 0);
        $dbh->do("declare c cursor for select generate_series(1, 50)");
        return [scalar @{ rows($dbh, "fetch 20 from c") }, scalar @{ rows($dbh, "fetch all from c") }];
    },
    "copy-in" => sub {
        my $dbh = connected();
        $dbh->do("create temp table copy_t (i int, t text)");
        $dbh->do("copy copy_t from stdin");
        $dbh->pg_putcopydata("$_\tü\n") for 1 .. 20000;
        $dbh->pg_putcopyend;
        $dbh->do("copy copy_t from stdin");
        my $state = sqlstate($dbh, sub { $dbh->pg_putcopydata("no number\tx\n") for 1 .. 1000; $dbh->pg_putcopyend });
        return [$state, value($dbh, "select count(*) from copy_t")];
    },
    "copy-out" => sub {
        my $dbh = connected();
        $dbh->do("copy (select g, repeat('x', 100) from generate_series(1, 50000) g) to stdout");
        my ($bytes, $line) = (0, "");
        while ($dbh->pg_getcopydata($line) >= 0) { $bytes += length $line }
        return [$bytes, value($dbh, "select 1")];
    },
    notify => sub {
        my ($dbh, $other) = (connected(), connected());
        $dbh->do("listen chan");
        select undef, undef, undef, 0.2;    # idle
        $other->do("notify chan, 'while idle'");
        my $heard;
        for (1 .. 1000) { $heard = $dbh->pg_notifies and last; select undef, undef, undef, 0.01 }
        return [@$heard[0, 2]];
    },
    cancel => sub {
        my ($dbh, $other) = (connected(), connected());
        my $sth = $dbh->prepare("select /* to be cancelled */ pg_sleep(60)", { pg_async => PG_ASYNC });
        $sth->execute;
        1 until value($other, $SLEEPS) == 1;
        my $cancelled = $dbh->pg_cancel;
        return [$cancelled, value($dbh, "select 'goes on'")];
    },
    errors => sub {
        my $dbh = connected();
        $dbh->do("create temp table errors_t (i int primary key check (i > 0), n text not null)");
        my @fields = qw(severity state message_primary message_detail message_hint statement_position internal_query context table_name column_name constraint_name);
        my @seen;
        for my $sql ("select * from no_such_table", "insert into errors_t values (0, '')", "insert into errors_t values (1, null)",
            'do $$begin raise exception using errcode = $e$ZZ123$e$, message = $e$m$e$, detail = $e$d$e$, hint = $e$h$e$; end$$', "selec") {
            sqlstate($dbh, sub { $dbh->do($sql) });
            push @seen, [map { $dbh->pg_error_field($_) } @fields];
        }
        return \@seen;
    },
    notices => sub {
        my $dbh = connected(undef, PrintWarn => 1);
        my @heard;
        local $SIG{__WARN__} = sub { push @heard, $_[0] };
        $dbh->do(q{do $$begin raise notice 'n'; raise warning 'w'; end$$});
        return \@heard;
    },
    settings => sub {
        my ($dbh, $other) = (connected(), connected());
        my $sql = "select current_setting('search_path'), current_setting('timezone'), current_setting('work_mem')";
        $dbh->do("set search_path = hr; set time zone 'Asia/Tokyo'");
        my @seen = map { (rows($dbh, $sql), rows($other, $sql)) } 1 .. 3;
        $dbh->begin_work;
        $dbh->do("set local work_mem = '1MB'");
        push @seen, rows($dbh, $sql);
        $dbh->rollback;
        return [@seen, rows($dbh, $sql)];
    },
    catalog => sub {
        my $dbh = connected();
        my $columns = $dbh->column_info(undef, "public", "orders", "%")->fetchall_arrayref;
        return [(map { "$_->[3] $_->[5]" } @$columns), $dbh->primary_key(undef, "public", "orders"), scalar $dbh->tables(undef, "hr", "%", "TABLE")];
    },
    big => sub {
        my ($dbh, $text) = (connected(), "0123456789abcde\n" x (10 * 1024 * 1024 / 16));
        value($dbh, "select ?::text", $text) eq $text or die "not what was sent";
        return scalar @{ rows($dbh, "select g, 'row ' || g from generate_series(1, 200000) g") };
    },
    sharing => sub {
        my @dbhs = map { connected(undef, AutoCommit => 0) } 0 .. 7;
        $dbhs[0]->do("create table sharing_t (who int, i int)");
        $dbhs[0]->commit;
        for my $i (0 .. 9) {
            for my $who (0 .. 7) {
                $dbhs[$who]->do("insert into sharing_t values (?, ?)", undef, $who, $i);
                $who == 3 ? $dbhs[$who]->rollback : $dbhs[$who]->commit;
            }
        }
        my $seen = rows($dbhs[7], "select who, count(*), sum(i) from sharing_t group by who order by who");
        $dbhs[7]->do("drop table sharing_t");
        $dbhs[7]->commit;
        return $seen;
    },
    # Last: once a session has asked for currval, sessions that insert keep their connections.
    state => sub {
        my ($dbh, $other) = (connected(), connected());
        $dbh->do("create temp table state_t (i serial); insert into state_t default values");
        my @seen = (value($dbh, "select currval('state_t_i_seq')"), sqlstate($other, sub { rows($other, "select * from state_t") }));
        rows($dbh, "select pg_advisory_lock(7)");
        return [@seen, value($other, "select pg_try_advisory_lock(7)"), value($dbh, "select pg_advisory_unlock(7)")];
    },
    last_insert_id => sub {
        my ($dbh, $other) = (connected(), connected());
        $dbh->do("create table last_insert_t (id serial primary key, who text)");
        my @seen;
        for my $one ($dbh, $other, $dbh) {
            $one->do("insert into last_insert_t (who) values (?)", undef, "x");
            push @seen, $one->last_insert_id(undef, undef, "last_insert_t", undef);
        }
        $dbh->do("drop table last_insert_t");
        return \@seen;
    },
);

sub spellings { my ($q) = @_; return ("-- ask: $q", "/* ask: $q */", "ask: $q", "ask $q", "select -- ask: $q\n;", "select * from ask('$q')") }

my @asks = (
    ask => sub {
        my $dbh = connected();
        my $count = value($dbh, "select count(*) from customers where country = 'Germany'");
        my $groups = @{ rows($dbh, "select distinct country from customers") };
        for my $sql (spellings($COUNT)) {
            for my $server_prepare (0, 1) {
                my $sth = $dbh->prepare($sql, { pg_server_prepare => $server_prepare });
                for (1 .. 2) { $sth->execute; equal($sth->fetchall_arrayref->[0][0], $count) }
            }
        }
        equal(scalar @{ rows($dbh, $_) }, $groups) for spellings($GROUPS);
        return [$count, $groups];
    },
    "ask-parameter" => sub {
        my $dbh = connected(undef, pg_placeholder_dollaronly => 1);
        my $sth = $dbh->prepare('select * from ask($$how many customers in country $1$$, $1)');
        return [map { $sth->execute($_); $sth->fetchall_arrayref->[0][0] } "Germany", "nowhere"];
    },
    "ask-in-sql" => sub { return scalar @{ rows(connected(), "select * from (/* ask: $GROUPS */) r limit ?", 3) } },
    "ask-refused" => sub {
        my $dbh = connected();
        return [sqlstate($dbh, sub { rows($dbh, "/* ask: grumble the wibbly flonks */") }), value($dbh, "select 1")];
    },
);

my $failed = 0;
say "driver\tDBD::Pg (Perl) $DBD::Pg::VERSION";
my @features = $ARGV[0] eq "plain" ? @plain : @asks;
while (my ($name, $run) = splice @features, 0, 2) {
    my $seen = eval { JSON::PP->new->canonical->allow_nonref->encode($run->()) };
    if (my $error = $@) {
        $failed = 1;
        warn $error;
        $seen = "FAILED: " . $error =~ tr/\n/ /r;
    }
    say "$name\t$seen";
    $_->disconnect for splice @opened;
}
exit $failed;
