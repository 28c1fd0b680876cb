-- What somebody types into psql, and what psql itself asks the catalog.
\set ON_ERROR_STOP on
\set QUIET on
\pset pager off
select 1 as one, 'ü' as two, null as three;
create table psql_t (i int primary key, t text);
insert into psql_t select g, 'row ' || g from generate_series(1, 10) g;
begin;
delete from psql_t;
select count(*) as deleted from psql_t;
rollback;
select count(*) as kept from psql_t;
\copy (select * from psql_t where i <= 3 order by i) to 'rows.csv' csv
\copy psql_t from program 'sed s/^/10/ rows.csv' csv
select i from psql_t where i > 100 order by i;
prepare p (int) as select t from psql_t where i = $1;
execute p (7);
\d psql_t
\dt psql_*
\dn
\df count
\du demo
select 'variable' as word \gset
select :'word' as again;
\x on
select 1 as expanded;
\x off
\set ON_ERROR_STOP off
select * from no_such_table;
select 'after the error' as goes_on;
\set FETCH_COUNT 3
select i from psql_t where i <= 10 order by i;
\unset FETCH_COUNT
do $$begin raise notice 'heard'; end$$;
listen chan;
notify chan, 'payload';
\conninfo
drop table psql_t;
