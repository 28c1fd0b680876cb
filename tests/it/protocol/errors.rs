//! ErrorResponse and NoticeResponse pass as they are: every field, known or not, byte for byte.

use super::upstream_keys::{Fake, ready};
use crate::support::frames::{Frame, bind, describe_statement, execute, frame, parse, query, sync};
use crate::support::raw::Raw;
use crate::support::stage::{APP, Stage};

/// The messages of one exchange; a connection that is closed ends it.
fn play(client: &mut Raw, messages: &[Vec<u8>]) -> Vec<Frame> {
    client.send(&messages.concat());
    let mut seen = Vec::new();
    while let Ok(Some(frame)) = client.try_read() {
        let is_last = frame.tag == b'Z';
        seen.push(frame);
        if is_last {
            break;
        }
    }
    seen
}

/// The very bytes, where `render` might leave something out.
fn bytes(frames: &[Frame]) -> Vec<(char, String)> {
    frames
        .iter()
        .map(|frame| (char::from(frame.tag), frame.body.escape_ascii().to_string()))
        .collect()
}

#[test]
fn errors_and_notices_are_the_servers_own_bytes() {
    let stage = Stage::new("");
    let mut direct = stage.direct(&APP).unwrap();
    for sql in [
        "create domain small as int constraint is_small check (value < 10)",
        "create table parent (id int primary key, label text not null, size small)",
        "create table child (id int references parent on delete restrict, during int4range, \
         constraint one_at_a_time exclude using gist (during with &&))",
        "create table checked (i int constraint positive check (i > 0))",
        "insert into parent values (1, 'one', 1); insert into child values (1, '[1,5)')",
        "create function inner_error() returns int language sql as 'select 1 / (select 0)'",
        "create function outer_error() returns int language plpgsql as \
         $$ declare r int; begin select inner_error() into r; return r; end $$",
        "create function bad_dynamic() returns void language plpgsql as \
         $$ begin execute 'select no_such_column from parent'; end $$",
        "create function told() returns void language plpgsql as \
         $$ begin raise notice 'a notice' using detail = 'D', hint = 'H', errcode = '01ABC', \
            column = 'col', constraint = 'con', datatype = 'typ', table = 'tab', schema = 'sch'; \
            raise warning 'w\u{e4}rning'; raise info 'info'; raise log 'unseen'; \
            raise exception 'an error' using detail = 'D', hint = 'H', errcode = 'XX123', \
            column = 'col', constraint = 'con', datatype = 'typ', table = 'tab', schema = 'sch'; end $$",
    ] {
        direct.rows(sql);
    }
    let mut proxied = stage.client();
    let mut fields_seen = std::collections::BTreeSet::new();
    for sql in [
        "insert into parent values (1, 'again', 1)",
        "insert into parent (id) values (2)",
        "insert into parent values (3, 'x', 11)",
        "insert into child values (7, null)",
        "insert into child values (1, '[2,3)')",
        "insert into checked values (-1)",
        "delete from parent",
        "select 1 +",
        "select no_such_column from parent",
        "select '\u{20ac}', no_such_column from parent",
        "select * from no_such_table",
        "select inner_error()",
        "select outer_error()",
        "select bad_dynamic()",
        "select told()",
        "select 'x'::int",
        "select 'x'::small",
        "select '11'::small",
        "drop table if exists nothing_there",
        "create table if not exists parent ()",
        "select 1/0; select 2",
        "begin; select 1/0; select 3",
        "rollback; rollback",
        "do $$ begin raise notice '%', repeat('long ', 20000); end $$",
        "copy parent from stdin (format nonsense)",
        "lock table parent",
        "savepoint s",
        "declare c cursor for select 1",
        "fetch c",
        "set transaction isolation level serializable",
        "vacuum; select 1",
        "select pg_catalog.set_config('nonsense', 'x', false)",
    ] {
        for messages in [
            vec![query(sql)],
            vec![
                parse("", sql, &[]),
                describe_statement(""),
                bind("", "", &[]),
                execute("", 0),
                sync(),
            ],
        ] {
            let expected = play(&mut direct, &messages);
            let found = play(&mut proxied, &messages);
            assert_eq!(bytes(&expected), bytes(&found), "{sql}");
            for frame in expected.iter().filter(|f| matches!(f.tag, b'E' | b'N')) {
                let fields = frame.body.split(|byte| *byte == 0);
                fields_seen.extend(fields.filter_map(|field| field.first().copied()));
            }
            let [expected, found] =
                [&mut direct, &mut proxied].map(|client| client.query("rollback"));
            assert_eq!(bytes(&expected), bytes(&found), "after {sql}");
        }
    }
    let fields: String = fields_seen.into_iter().map(char::from).collect();
    assert_eq!(fields, "CDFHLMPRSVWcdnpqst", "every field was there once");
}

#[test]
fn fields_that_nobody_knows_pass() {
    let mut body = b"SERROR\0VERROR\0CXX999\0M\xff\xfe not UTF-8\0".to_vec();
    for code in 1..=255_u8 {
        if !b"SVCM".contains(&code) {
            body.extend([code, b'=', code, 0]);
        }
    }
    body.push(0);
    let sent = body.clone();
    let fake = Fake::start(move |mut connection| {
        connection.greet(1, &[1, 2, 3, 4]);
        while let Some(message) = connection.read() {
            if message.tag == b'Q' {
                let notice = frame(b'N', &sent);
                let error = frame(b'E', &sent);
                connection.send(&[notice, error, ready()].concat());
            }
        }
    });
    let proxy = fake.proxy("");
    let mut client = fake.client(&proxy);
    for _ in 0..2 {
        let answer = client.exchange(&[query("select 1")]);
        let [notice, error, _] = answer.as_slice() else {
            panic!("{answer:?}");
        };
        assert_eq!((notice.tag, &notice.body), (b'N', &body));
        assert_eq!((error.tag, &error.body), (b'E', &body));
    }
}
