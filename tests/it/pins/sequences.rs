//! `currval` and `lastval` give what the session's own statements drew, or say that there is nothing; never what
//! another session drew.

use super::{keeps_its_connection, pins, rendered, stage};
use crate::support::frames::{bind, execute, parse, sync};
use crate::support::raw::{Raw, rows, sqlstate};
use crate::support::stage::{APP, Stage};

fn staged() -> Stage {
    let stage = stage();
    stage.admin().rows(
        "set role app; create table t (i serial); create table u (i serial);
         create function add_one() returns void language sql as 'insert into t default values'",
    );
    stage
}

const INSERT: &str = "insert into t default values";
const LAST: &str = "select lastval()";
const CURRENT: &str = "select currval('t_i_seq')";

#[test]
fn a_session_reads_what_it_drew() {
    let stage = staged();
    let script = [
        LAST,
        INSERT,
        LAST,
        CURRENT,
        "begin; insert into u default values; select lastval(); commit",
        "select currval('u_i_seq')",
        "insert into t default values returning i",
        CURRENT,
        "select nextval('t_i_seq')",
        LAST,
        "select setval('t_i_seq', 40)",
        CURRENT,
        "discard sequences",
        CURRENT,
        INSERT,
        CURRENT,
        "discard all",
        LAST,
    ];
    let run = |mut client: Raw| script.map(|sql| rendered(&client.query(sql)));
    let direct = run(stage.direct(&APP).expect("a login"));
    stage
        .admin()
        .rows("alter sequence t_i_seq restart; alter sequence u_i_seq restart");
    let through = run(stage.client());
    for ((direct, through), sql) in direct.iter().zip(&through).zip(script) {
        assert_eq!(through, direct, "{sql}");
    }
}

#[test]
fn nobody_reads_what_another_drew() {
    let stage = staged();
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows(INSERT);
    for sql in [LAST, CURRENT] {
        assert_eq!(sqlstate(&second.query(sql)), "55000", "{sql}");
    }
    drop(second);
    // The one that did draw has been elsewhere, and is told so rather than something wrong.
    assert_eq!(sqlstate(&first.query(CURRENT)), "55000");
}

#[test]
fn nobody_reads_what_another_drew_over_the_extended_protocol() {
    let stage = staged();
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows(INSERT);
    second.exchange(&[parse("last", LAST, &[]), sync()]);
    let answer = second.exchange(&[bind("", "last", &[]), execute("", 0), sync()]);
    assert_eq!(sqlstate(&answer), "55000");
    let unnamed = [
        parse("", LAST, &[]),
        bind("", "", &[]),
        execute("", 0),
        sync(),
    ];
    assert_eq!(sqlstate(&second.exchange(&unnamed)), "55000");
}

#[test]
fn an_inserting_session_keeps_its_connection_once_somebody_reads() {
    let stage = staged();
    let (mut first, mut second) = (stage.client(), stage.client());
    first.rows(INSERT);
    assert!(keeps_its_connection(&stage).is_none());
    // From here on it is known that sequences are read here.
    assert_eq!(sqlstate(&second.query(LAST)), "55000");
    drop(second);
    first.rows("insert into u default values");
    assert!(pins(&stage.proxy, "sequence") > 0);
    let waiting = keeps_its_connection(&stage).expect("a pin");
    assert_eq!(first.value("select currval('u_i_seq')"), "1");
    drop(first);
    waiting.must_be_served();
}

#[test]
fn what_a_function_drew_is_read_in_its_transaction() {
    let stage = staged();
    stage.client().rows(INSERT);
    let mut client = stage.client();
    client.rows("begin");
    client.rows("select add_one()");
    assert_eq!(client.value(LAST), "2");
    client.rows("commit");
    let answer = client.query("begin; select add_one(); select lastval(); commit");
    assert_eq!(rows(&answer).last(), Some(&vec![Some("3".to_owned())]));
}
