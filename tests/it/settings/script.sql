--# Statements that set, one Query each; between any two of them others have the only server connection.
--# `--@ name` begins a session. See tests/it/settings/mod.rs.

--@ one of every class

set enable_seqscan = off

show enable_seqscan

set work_mem = '5MB'

show work_mem

set statement_timeout to 12345; show statement_timeout

show statement_timeout

set bytea_output = escape

select '\x00ff41'::bytea

set search_path = pg_catalog, "My Schema", "it's", "$user", public

show search_path

set random_page_cost = 1.23456789

show random_page_cost

set my.setting = 'mine'

show my.setting

select current_setting('my.setting'), current_setting('my.other', true)

set session work_mem to default; show work_mem

show work_mem

set sort_mem = 4321

show work_mem

set datestyle = SQL, DMY

select date '2024-02-29'

set intervalstyle to 'iso_8601'

select interval '1 day 2 hours'

set time zone 'Asia/Tokyo'

select timestamptz '2024-01-01 00:00+00'

set time zone interval '-03:30' hour to minute

select timestamptz '2024-01-01 00:00+00'

show timezone

set time zone -7

show timezone

set session time zone local

show timezone

set schema 'pg_catalog'

show search_path

select set_config('search_path', '', false)

show search_path

select current_schemas(true)

set extra_float_digits = -15

select 0.1::float8 + 0.2

set x.y = 'it''s "odd" \ here'

show x.y

reset all

show work_mem

show x.y

show my.setting

show search_path

--@ in transactions

begin

set work_mem = '6MB'

commit

show work_mem

begin

set work_mem = '7MB'

show work_mem

rollback

show work_mem

begin; set work_mem = '8MB'; commit

show work_mem

begin; set work_mem = '9MB'; rollback

show work_mem

begin

set work_mem = '10MB'

select 1/0

commit

show work_mem

begin

savepoint a

set work_mem = '11MB'

rollback to a

commit

show work_mem

begin

set work_mem = '12MB'

savepoint a

set work_mem = '13MB'

release a

commit

show work_mem

begin

set my.x = 'one'

savepoint a

set my.x = 'two'

rollback to savepoint a

commit

show my.x

begin

set work_mem = '14MB'

set local work_mem = '15MB'

show work_mem

commit

show work_mem

begin

set local work_mem = '16MB'

set work_mem = '17MB'

end

show work_mem

begin

set work_mem = '18MB'

commit and chain

set work_mem = '19MB'

rollback

show work_mem

set local work_mem = '20MB'

show work_mem

set transaction isolation level serializable

begin

set transaction read only

show transaction_read_only

commit

show transaction_read_only

set session characteristics as transaction isolation level repeatable read, read only

show transaction_isolation

create table nowhere ()

set session characteristics as transaction read write

show default_transaction_isolation

show default_transaction_read_only

abort

show work_mem

--@ several statements in one Query

set work_mem = '3MB'; set timezone = 'Asia/Tokyo'; select 1

show work_mem

show timezone

set work_mem = '4MB'; select 1/0; set timezone = 'UTC'

show work_mem

show timezone

set work_mem = '5MB'; select current_setting('work_mem'); reset work_mem; set my.many = 1

show work_mem

show my.many

/* a comment */ set work_mem = '6MB'

show work_mem

-- another
set work_mem = '7MB'

show work_mem

set /* inside */ work_mem = '8MB'

show work_mem

set work_mem = E'9MB'

show work_mem

SET WORK_MEM TO '10MB';;

show work_mem

--@ what fails

set work_mem = 'a lot'

set no_such_setting = 1

set enable_seqscan = perhaps

set my = 1

set search_path from current

set work_mem from current

set

set server_version = '1'

set shared_buffers = '1MB'

set log_statement = 'all'

reset shared_buffers

set timezone = 'Mars/Olympus'

set client_encoding = 'none such'

set role no_such_role

set session authorization postgres

set role postgres

show work_mem

show role

select current_user, session_user

--@ functions

select set_config('work_mem', '3MB', false)

show work_mem

select set_config('work_mem', '4MB', true)

show work_mem

begin

select set_config('work_mem', '5MB', true), set_config('my.f', 'x', true)

show work_mem

commit

show work_mem

begin

select set_config('my.f', 'kept', false)

commit

show my.f

begin

select set_config('my.f', 'lost', false)

rollback

show my.f

select set_config('work_mem', '6MB', 1 = 1)

show work_mem

select set_config('work_mem', null, false)

show work_mem

select set_config('timezone', 'Asia/Tokyo', false), set_config('datestyle', 'SQL', false)

select timestamptz '2024-01-01 00:00+00'

reset work_mem

show work_mem

--@ roles

set role other

select current_user, session_user

show role

show is_superuser

select * from secrets

begin

set local role none

select current_user

commit

select current_user

set role none

select current_user

show role

set role "Mixed Case"

select current_user

reset role

select current_user

begin; set role other; rollback

select current_user

begin; set role other; commit

select current_user

select set_config('role', 'none', false)

select current_user

set role = other

set work_mem = '3MB'

set my.role_and = 'more'

select current_user, current_setting('work_mem'), current_setting('my.role_and')

set session authorization app

select current_user, session_user

set session authorization default

reset session authorization

select current_user, current_setting('work_mem')

--@ encodings

set client_encoding to 'LATIN1'

show client_encoding

select chr(233), length(convert_to(chr(233), 'UTF8'))

select chr(8364)

set names 'UTF8'

select chr(8364)

set names

show client_encoding

set client_encoding = 'WIN1252'

select chr(8364)

begin; set client_encoding = 'LATIN1'; rollback

show client_encoding

reset client_encoding

show client_encoding

set my.text = 'plain'

show my.text

--@ forgetting

set work_mem = '3MB'

set my.gone = 1

set role other

discard all

show work_mem

select current_user

show timezone

set timezone = 'Asia/Tokyo'

set application_name = 'named'

reset all

show timezone

show application_name

set timezone = 'Asia/Tokyo'

discard plans

show timezone

deallocate all

show timezone

reset timezone

show timezone

--@ options application_name=mine options=-c\ work_mem=3MB\ -c\ my.start=given

show work_mem

show application_name

show my.start

set work_mem = '4MB'

set my.start = 'other'

set application_name = 'theirs'

show application_name

show my.start

reset work_mem

show work_mem

reset application_name

show application_name

begin; set application_name = 'in between'; reset application_name; commit

show application_name

set application_name to default

show application_name

reset my.start

show my.start

discard all

show work_mem

show application_name
