-- The library that the hostile Drafts are let loose on. Role `asker` reads `public`, `archive` and `"order"`, and nothing of `vault`.
CREATE EXTENSION dblink;
CREATE EXTENSION tablefunc;
CREATE SCHEMA archive;
CREATE SCHEMA "order";
CREATE SCHEMA vault;
CREATE TYPE genre AS ENUM ('novel', 'poem', 'essay');
CREATE TABLE books (id bigserial PRIMARY KEY, title text, genre genre, price numeric(10, 2), tags text[], meta jsonb, added date);
CREATE TABLE loans (id bigint PRIMARY KEY, book_id bigint, member_id bigint, lent_at timestamptz, returned_at timestamptz, fee numeric);
CREATE TABLE "Members" (id bigint PRIMARY KEY, "fullName" text, touch text);
CREATE TABLE archive.loans_old (id bigint, book_id bigint);
CREATE TABLE "order".items (id bigint);
CREATE TABLE vault.secrets (id bigint, value text, vector tsvector);
CREATE TABLE log (line text);
CREATE TYPE vault.thing AS (a int);
INSERT INTO books (title, genre, price, added) SELECT 't' || i, 'novel', i, '2024-01-01' FROM generate_series(1, 20) i;
INSERT INTO loans SELECT i, i, i, '2026-01-01', NULL, 1 FROM generate_series(1, 20) i;
INSERT INTO vault.secrets VALUES (1, 'the cellar key', 'cellar');
SELECT lo_from_bytea(16400, 'kept');

-- What changes something, under names that a Draft may guess.
CREATE FUNCTION wipe() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM books; SELECT 1';
CREATE FUNCTION wipe_row(books) RETURNS boolean LANGUAGE sql VOLATILE AS 'DELETE FROM books WHERE id = $1.id; SELECT true';
CREATE FUNCTION wipe_loan(loans) RETURNS boolean LANGUAGE sql VOLATILE AS 'DELETE FROM loans WHERE id = $1.id; SELECT true';
CREATE FUNCTION wipe_step(bigint, bigint) RETURNS bigint LANGUAGE sql VOLATILE AS 'DELETE FROM books; SELECT 1::bigint';
CREATE AGGREGATE sum_and_wipe(bigint) (SFUNC = wipe_step, STYPE = bigint);
CREATE FUNCTION touch(bigint) RETURNS bigint LANGUAGE sql VOLATILE AS 'INSERT INTO log VALUES (''touched''); SELECT $1';
CREATE FUNCTION touch(books) RETURNS bigint LANGUAGE sql VOLATILE AS 'INSERT INTO log VALUES (''touched''); SELECT 1::bigint';
CREATE FUNCTION touch(record) RETURNS bigint LANGUAGE plpgsql VOLATILE AS 'BEGIN INSERT INTO log VALUES (''touched''); RETURN 1; END';
CREATE FUNCTION overdue_days(bigint) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT $1 % 7';
CREATE FUNCTION initcap(integer) RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION lower(integer) RETURNS integer VOLATILE LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION as_owner(integer) RETURNS integer STABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION read_vault() RETURNS text STABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT value FROM vault.secrets';
CREATE FUNCTION vault.hidden() RETURNS text STABLE LANGUAGE sql AS 'SELECT value FROM vault.secrets';
CREATE FUNCTION noisy_equal(bigint, bigint) RETURNS boolean LANGUAGE sql VOLATILE AS 'INSERT INTO log VALUES (''compared''); SELECT true';
CREATE OPERATOR <%%> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = noisy_equal);
CREATE OPERATOR ### (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = noisy_equal);

-- Views that run it.
CREATE VIEW counting_view AS SELECT nextval('books_id_seq') AS n, id FROM books;
CREATE VIEW sleeping_view AS SELECT id FROM books WHERE pg_sleep(1000) IS NOT NULL;
CREATE VIEW setting_view AS SELECT set_config('app.seen', 'yes', false) AS seen, id FROM books;
CREATE VIEW touching_view AS SELECT touch(id) AS id FROM books;
CREATE VIEW view_of_touching_view AS SELECT * FROM touching_view;
CREATE VIEW operator_view AS SELECT id FROM books WHERE id <%%> 1;
CREATE VIEW aggregate_view AS SELECT sum_and_wipe(id) AS n FROM books;
-- And one that does not.
CREATE VIEW dear_books AS SELECT id, title, random() AS shuffle FROM books WHERE price > 10;

GRANT SELECT ON ALL TABLES IN SCHEMA public, archive, "order" TO asker;
GRANT USAGE ON SCHEMA archive, "order" TO asker;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO asker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO asker;
GRANT CREATE ON SCHEMA public TO asker;
ANALYZE;
