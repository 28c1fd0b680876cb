//! What a client is told at login, and what its session begins with, is what a session of its own would begin with.

use crate::support::raw::{Login, Raw};
use crate::support::stage::{APP, Stage};

impl Raw {
    /// What the login told of a setting.
    fn greeted(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}\0");
        self.greeting.iter().find_map(|frame| {
            let value = frame.body.strip_prefix(prefix.as_bytes())?;
            let value = value.strip_suffix(b"\0")?;
            (frame.tag == b'S').then(|| String::from_utf8_lossy(value).into_owned())
        })
    }
}

#[test]
fn a_login_after_alter_role_through_the_proxy_begins_with_the_new_values() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 1\n");
    let mut old = stage.client();
    assert_eq!(old.greeted("TimeZone").as_deref(), Some("UTC"));
    for (number, zone) in ["Asia/Tokyo", "Europe/Rome"].iter().enumerate() {
        let memory = format!("{}MB", 5 + number);
        old.rows(&format!("alter role app set timezone = '{zone}'"));
        old.rows(&format!("alter role app set work_mem = '{memory}'"));
        let mut new = stage.client();
        assert_eq!(new.greeted("TimeZone").as_deref(), Some(*zone));
        assert_eq!(new.value("show timezone"), *zone);
        assert_eq!(new.value("show work_mem"), memory);
    }
}

#[test]
fn a_running_session_keeps_its_connection_and_its_values_after_alter_role() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let mut old = stage.client();
    let own = old.backend();
    old.rows("alter role app set work_mem = '5MB'");
    let mut new = stage.client();
    assert_eq!(new.value("show work_mem"), "5MB");
    assert_eq!(old.value("show work_mem"), "4MB");
    assert_eq!(old.backend(), own);
}

#[test]
fn an_alter_role_that_is_rolled_back_changes_nothing() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let mut old = stage.client();
    old.rows("begin");
    old.rows("alter role app set timezone = 'Asia/Tokyo'");
    assert_eq!(stage.client().greeted("TimeZone").as_deref(), Some("UTC"));
    old.rows("rollback");
    assert_eq!(stage.client().greeted("TimeZone").as_deref(), Some("UTC"));
    old.rows("begin; alter role app set timezone = 'Asia/Tokyo'; commit");
    assert_eq!(
        stage.client().greeted("TimeZone").as_deref(),
        Some("Asia/Tokyo")
    );
}

#[test]
fn alter_database_counts_for_every_role() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    stage
        .admin()
        .rows("create role other login password 'other'; grant all on database app to other");
    let other = Login {
        user: "other",
        password: "other",
        ..APP
    };
    let mut before = stage.login(&other).expect("a login");
    before.rows("select 1");
    let mut owner = stage.client();
    owner.rows("alter database app set timezone = 'Asia/Tokyo'");
    let mut after = stage.login(&other).expect("a login");
    assert_eq!(after.greeted("TimeZone").as_deref(), Some("Asia/Tokyo"));
    assert_eq!(after.value("show timezone"), "Asia/Tokyo");
}

#[test]
fn the_newest_connection_tells_what_changed_behind_the_proxys_back() {
    let stage = Stage::new("[pool]\ndefault_pool_size = 2\n");
    let mut first = stage.client();
    first.rows("select 1");
    stage
        .admin()
        .rows("alter role app set timezone = 'Asia/Tokyo'");
    // A second connection is opened, for the second transaction at the same time.
    first.rows("begin");
    let mut second = stage.client();
    second.rows("select 1");
    let mut third = stage.client();
    assert_eq!(third.greeted("TimeZone").as_deref(), Some("Asia/Tokyo"));
    first.rows("commit");
    // Only one of the two would show the old value; it is closed when it changes hands.
    second.rows("begin");
    assert_eq!(third.value("show timezone"), "Asia/Tokyo");
}
