//! With a pool of one connection, nothing that one session does shows in another.

use crate::support::frames::{bind, execute, parse, query, sync};
use crate::support::raw::{Raw, sqlstate};
use crate::support::stage::Stage;

/// Session state, what makes it, and a query that gives `clean` where there is none of it.
struct Trace {
    what: &'static str,
    made_by: &'static str,
    seen_by: &'static str,
    clean: &'static str,
}

const TRACES: [Trace; 16] = [
    Trace {
        what: "a setting",
        made_by: "set work_mem = '1MB'",
        seen_by: "show work_mem",
        clean: "4MB",
    },
    Trace {
        what: "a setting made by a function",
        made_by: "select set_config('work_mem', '1MB', false)",
        seen_by: "show work_mem",
        clean: "4MB",
    },
    Trace {
        what: "a setting made in a batch",
        made_by: "select 1; set work_mem = '1MB'; select 2",
        seen_by: "show work_mem",
        clean: "4MB",
    },
    Trace {
        what: "a setting made in a transaction",
        made_by: "begin; set work_mem = '1MB'; commit",
        seen_by: "show work_mem",
        clean: "4MB",
    },
    Trace {
        what: "a setting of no extension",
        made_by: "set my.secret = 'hidden'",
        seen_by: "select coalesce(current_setting('my.secret', true), '')",
        clean: "",
    },
    Trace {
        what: "the search path",
        made_by: "set search_path = pg_catalog",
        seen_by: "show search_path",
        clean: "\"$user\", public",
    },
    Trace {
        what: "the time zone",
        made_by: "set time zone 'Asia/Tokyo'",
        seen_by: "show timezone",
        clean: "UTC",
    },
    Trace {
        what: "the encoding",
        made_by: "set client_encoding = 'LATIN1'",
        seen_by: "show client_encoding",
        clean: "UTF8",
    },
    Trace {
        what: "the application's name",
        made_by: "set application_name = 'first'",
        seen_by: "show application_name",
        clean: "",
    },
    Trace {
        what: "session characteristics",
        made_by: "set session characteristics as transaction read only",
        seen_by: "show transaction_read_only",
        clean: "off",
    },
    Trace {
        what: "a role",
        made_by: "set role other",
        seen_by: "select current_user",
        clean: "app",
    },
    Trace {
        what: "a temporary table",
        made_by: "create temp table t (i int)",
        seen_by: "select coalesce(to_regclass('t')::text, 'none')",
        clean: "none",
    },
    Trace {
        what: "a listened channel",
        made_by: "listen c",
        seen_by: "select count(*) from pg_listening_channels()",
        clean: "0",
    },
    Trace {
        what: "an advisory lock",
        made_by: "select pg_advisory_lock(42)",
        seen_by: "select count(*) from pg_locks where locktype = 'advisory'",
        clean: "0",
    },
    Trace {
        what: "a prepared name",
        made_by: "prepare p as select 1",
        seen_by: "select count(*) from pg_prepared_statements where from_sql",
        clean: "0",
    },
    Trace {
        what: "a held cursor",
        made_by: "begin; declare c cursor with hold for select 1; commit",
        seen_by: "select count(*) from pg_cursors where name = 'c'",
        clean: "0",
    },
];

fn stage() -> Stage {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    stage.admin().rows("create role other; grant other to app");
    stage
}

#[test]
fn what_a_session_did_is_gone_when_the_next_one_comes() {
    let stage = stage();
    for trace in &TRACES {
        for is_killed in [false, true] {
            let mut first = stage.client();
            first.rows(trace.made_by);
            if is_killed {
                first.kill();
            } else {
                first.send(&crate::support::frames::terminate());
                first.until_closed();
            }
            let found = stage.client().value(trace.seen_by);
            assert_eq!(found, trace.clean, "{} (killed: {is_killed})", trace.what);
        }
    }
}

#[test]
fn a_setting_of_one_session_is_not_seen_by_another_that_shares_the_connection() {
    let stage = stage();
    // The neighbour would wait for ever behind what pins, so only what is replayed can be seen from beside.
    for trace in TRACES
        .iter()
        .filter(|trace| trace.made_by.starts_with("set "))
    {
        let (mut first, mut second) = (stage.client(), stage.client());
        let before = first.value(trace.seen_by);
        assert_eq!(before, trace.clean, "{}", trace.what);
        first.rows(trace.made_by);
        let changed = first.value(trace.seen_by);
        assert_ne!(changed, trace.clean, "{}", trace.what);
        if second.is_served("select 1") {
            assert_eq!(second.value(trace.seen_by), trace.clean, "{}", trace.what);
            assert_eq!(first.value(trace.seen_by), changed, "{}", trace.what);
        }
    }
}

#[test]
fn an_open_transaction_ends_with_its_client() {
    let stage = stage();
    let mut first = stage.client();
    first.rows("create table public_to_app (i int)");
    first.rows("begin; insert into public_to_app values (1)");
    first.send(&crate::support::frames::terminate());
    first.until_closed();
    let mut second = stage.client();
    assert_eq!(second.value("select count(*) from public_to_app"), "0");
}

#[test]
fn a_prepared_name_belongs_to_its_client() {
    let stage = stage();
    let run = |client: &mut Raw, value: &str| {
        client.exchange(&[bind("", "s", &[Some(value)]), execute("", 0), sync()])
    };
    let (mut first, mut second) = (stage.client(), stage.client());
    first.exchange(&[parse("s", "select 'first ' || $1::text", &[]), sync()]);
    assert_eq!(sqlstate(&run(&mut second, "x")), "26000");
    second.exchange(&[parse("s", "select 'second ' || $1::text", &[]), sync()]);
    for round in 0..3 {
        let value = round.to_string();
        for (client, name) in [(&mut first, "first"), (&mut second, "second")] {
            let rows = crate::support::raw::rows(&run(client, &value));
            assert_eq!(rows, [[Some(format!("{name} {value}"))]]);
        }
    }
    drop(first);
    let mut third = stage.client();
    assert_eq!(sqlstate(&run(&mut third, "x")), "26000");
}

#[test]
fn notifications_reach_their_listener_and_nobody_else() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 3\n");
    let (mut listener, mut other) = (stage.client(), stage.client());
    listener.rows("listen news");
    other.rows("select 1");
    stage.admin().rows("notify news, 'for the listener'");
    // It arrives although the listener says nothing.
    let arrived = listener.read();
    assert_eq!(arrived.render(), "A news for the listener");
    assert_eq!(other.query("select 1").len(), 4);
}

impl Raw {
    /// Whether a query is answered soon; one that has to wait is cancelled by its client's end.
    fn is_served(&mut self, sql: &str) -> bool {
        self.send(&query(sql));
        let is_answered = self.is_answered_within(std::time::Duration::from_millis(300));
        if is_answered {
            self.until_ready();
        }
        is_answered
    }
}
