//! Conversations with the built-in engine, over the sample databases: every answer is compared with gold SQL.

use crate::support::client::Client;
use crate::support::postgres::{Fixture, Postgres};
use crate::support::proxy::Proxy;

/// What an ask comes to: the rows of this SQL, or a refusal with this SQLSTATE.
enum Expect {
    Rows(&'static str),
    Refused(&'static str),
}
use Expect::{Refused, Rows};

/// Asks one after the other on one connection, and shows all that went wrong at once.
async fn check(fixture: Fixture, conversations: &[&[(&str, Expect)]]) {
    let (database, role, _) = fixture.contents().unwrap();
    let postgres = Postgres::start_with(fixture);
    let proxy = Proxy::start(&postgres, "[ask]\ncontext = true\n");
    let direct = postgres.connect(role, role, database).await;
    let mut wrong = Vec::new();
    for conversation in conversations {
        let through = proxy.connect(role, role, database).await;
        for (ask, expect) in *conversation {
            let found = found(&direct, &through, ask, expect).await;
            wrong.extend(found.err().map(|reason| format!("{ask}\n    {reason}")));
        }
    }
    assert!(wrong.is_empty(), "wrong answers:\n{}", wrong.join("\n"));
}

async fn found(
    direct: &Client,
    through: &Client,
    ask: &str,
    expect: &Expect,
) -> Result<(), String> {
    through.take_notices();
    let answer = through.rows(&format!("ask {ask}")).await;
    let ran = through
        .take_notices()
        .first()
        .map(|notice| notice.message().to_owned());
    match (answer, expect) {
        (Ok(rows), Rows(gold)) => {
            let gold = direct.rows(gold).await.expect("gold SQL that runs");
            assert!(!gold.is_empty(), "gold SQL without rows: {ask}");
            match rows == gold {
                true => Ok(()),
                false => Err(format!(
                    "{} rows, {:?}, and not {} rows, {:?}: {ran:?}",
                    rows.len(),
                    rows.first(),
                    gold.len(),
                    gold.first()
                )),
            }
        }
        (Err(error), Refused(state)) if error.code().code() == *state => Ok(()),
        (Err(error), _) => Err(format!("{} {}", error.code().code(), error.message())),
        (Ok(_), Refused(state)) => Err(format!("answered, and not {state}: {ran:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_ups_over_the_shop_are_answered_right() {
    check(
        Fixture::Shop,
        &[
            &[
                (
                    "how many orders were placed this year",
                    Rows("select count(*) from orders where placed_at >= date_trunc('year', current_date)"),
                ),
                (
                    "and last year?",
                    Rows("select count(*) from orders where date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'"),
                ),
                (
                    "only Germany",
                    Rows("select count(*) from orders o join customers c on c.id = customer_id where country = 'Germany'
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'"),
                ),
                (
                    "what about France",
                    Rows("select count(*) from orders o join customers c on c.id = customer_id where country = 'France'
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'"),
                ),
                (
                    "Italy too",
                    Rows("select count(*) from orders o join customers c on c.id = customer_id where country in ('France', 'Italy')
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'"),
                ),
                (
                    "by quarter",
                    Rows("select date_trunc('quarter', placed_at)::date, count(*) from orders o join customers c on c.id = customer_id
                        where country in ('France', 'Italy')
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year' group by 1 order by 1"),
                ),
                (
                    "by month instead",
                    Rows("select date_trunc('month', placed_at)::date, count(*) from orders o join customers c on c.id = customer_id
                        where country in ('France', 'Italy')
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year' group by 1 order by 1"),
                ),
                (
                    "as a percentage",
                    Rows("select m, round(100.0 * n / sum(n) over (), 2) from (
                            select date_trunc('month', placed_at)::date as m, count(*) as n
                            from orders o join customers c on c.id = customer_id where country in ('France', 'Italy')
                            and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'
                            group by 1) months order by 1"),
                ),
                (
                    "without the cancelled ones",
                    Rows("select m, round(100.0 * n / sum(n) over (), 2) from (
                            select date_trunc('month', placed_at)::date as m, count(*) as n
                            from orders o join customers c on c.id = customer_id where country in ('France', 'Italy') and status <> 'cancelled'
                            and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'
                            group by 1) months order by 1"),
                ),
                (
                    "any country, as numbers",
                    Rows("select date_trunc('month', placed_at)::date, count(*) from orders where status <> 'cancelled'
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year' group by 1 order by 1"),
                ),
                ("flurb", Refused("NL002")),
                ("and what about suppliers", Refused("NL002")),
                (
                    "in total",
                    Rows("select count(*) from orders where status <> 'cancelled'
                        and date_trunc('year', placed_at) = date_trunc('year', current_date) - interval '1 year'"),
                ),
                ("any year", Rows("select count(*) from orders where status <> 'cancelled'")),
            ],
            &[
                (
                    "top 5 customers by revenue this year",
                    Rows("select name, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) group by c.id order by 2 desc, 1 limit 5"),
                ),
                (
                    "top 10 instead",
                    Rows("select name, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) group by c.id order by 2 desc, 1 limit 10"),
                ),
                (
                    "only France",
                    Rows("select name, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) and country = 'France' group by c.id order by 2 desc, 1 limit 10"),
                ),
                (
                    "and their emails",
                    Rows("select name, email, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) and country = 'France' group by c.id order by 3 desc, 1 limit 10"),
                ),
                (
                    "the other way round",
                    Rows("select name, email, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) and country = 'France' group by c.id order by 3, 1 limit 10"),
                ),
                ("how many?", Refused("NL002")),
                (
                    "by country instead",
                    Rows("select country, sum(total) from customers c join orders o on c.id = customer_id
                        where placed_at >= date_trunc('year', current_date) and country = 'France' group by 1 order by 2 limit 10"),
                ),
            ],
            &[
                (
                    "revenue by country in 2025",
                    Rows("select country, sum(total) from customers c join orders o on c.id = customer_id
                        where extract(year from placed_at) = 2025 group by 1 order by 1"),
                ),
                (
                    "the average instead",
                    Rows("select country, avg(total) from customers c join orders o on c.id = customer_id
                        where extract(year from placed_at) = 2025 group by 1 order by 1"),
                ),
                ("by status", Refused("NL001")),
                (
                    "by status instead",
                    Rows("select status, avg(total) from orders where extract(year from placed_at) = 2025 group by 1 order by 1"),
                ),
            ],
            &[
                (
                    "customers from Germany",
                    Rows("select name from customers where country = 'Germany'"),
                ),
                (
                    "and their emails, sorted by name",
                    Rows("select name, email from customers where country = 'Germany' order by name"),
                ),
                (
                    "with more than 20 orders",
                    Rows("select name, email from customers c where country = 'Germany'
                        and (select count(*) from orders where customer_id = c.id) > 20 order by name"),
                ),
                (
                    "how many of them are from Berlin?",
                    Rows("select count(*) from customers c where country = 'Germany' and city = 'Berlin'
                        and (select count(*) from orders where customer_id = c.id) > 20"),
                ),
                // A question of its own has nothing to do with what was asked before.
                ("how many products are there", Rows("select count(*) from products")),
                // Of customers or of suppliers: there is nothing here to tell.
                ("emails", Refused("NL001")),
            ],
            // Nobody has asked anything here.
            &[("and last year?", Refused("NL002")), ("only Germany", Refused("NL002"))],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_ups_over_the_network_are_answered_right() {
    check(
        Fixture::Network,
        &[
            &[
                (
                    "how many devices are offline",
                    Rows("select count(*) from devices d join device_status s on d.id = device_id where state = 'offline'"),
                ),
                (
                    "and degraded ones?",
                    Rows("select count(*) from devices d join device_status s on d.id = device_id where state = 'degraded'"),
                ),
                (
                    "by vendor",
                    Rows("select vendor, count(*) from devices d join device_status s on d.id = device_id where state = 'degraded'
                        group by 1 order by 1"),
                ),
                (
                    "any state",
                    Rows("select vendor, count(*) from devices group by 1 order by 1"),
                ),
                (
                    "top 2",
                    Rows("select vendor, count(*) from devices group by 1 order by 2 desc, 1 limit 2"),
                ),
                (
                    "routers only",
                    Rows("select vendor, count(*) from devices where kind = 'router' group by 1 order by 2 desc, 1 limit 2"),
                ),
            ],
            &[
                (
                    "open alerts",
                    Rows("select * from alerts where status = 'open'"),
                ),
                (
                    "how many?",
                    Rows("select count(*) from alerts where status = 'open'"),
                ),
                (
                    "by severity as a percentage",
                    Rows("select severity, round(100.0 * count(*) / sum(count(*)) over (), 2) from alerts where status = 'open'
                        group by 1 order by 1"),
                ),
                (
                    "closed instead",
                    Rows("select severity, round(100.0 * count(*) / sum(count(*)) over (), 2) from alerts where status = 'closed'
                        group by 1 order by 1"),
                ),
            ],
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_the_whole_question_and_what_cannot_go_on_says_so() {
    let (database, role, _) = Fixture::Shop.contents().unwrap();
    let postgres = Postgres::start_with(Fixture::Shop);
    let proxy = Proxy::start(&postgres, "");
    let client = proxy.connect(role, role, database).await;
    client.rows("set ask.context = on").await.unwrap();
    client.rows("ask orders placed in 2025").await.unwrap();
    for _ in 0..2 {
        let shown = client
            .rows("ask sql: only Germany, by month")
            .await
            .unwrap();
        assert_eq!(
            shown[0][1].as_deref(),
            Some(
                "number of orders for each month of orders.placed_at, where orders.placed_at is in 2025 and \
                 customers.country is \"Germany\", lowest month of orders.placed_at first"
            )
        );
    }
    let refused = client.rows("ask and the weather?").await.unwrap_err();
    assert_eq!(refused.code().code(), "NL002");
    let hint = refused.hint().unwrap_or_default();
    assert!(hint.contains("\"orders placed in 2025\""), "{hint}");
    // Without the setting it is a question like any other.
    client.rows("set ask.context = off").await.unwrap();
    let refused = client.rows("ask and in 2024?").await.unwrap_err();
    assert_eq!(refused.code().code(), "NL002");
}
