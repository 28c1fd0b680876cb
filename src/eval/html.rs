//! A score as one page of HTML that needs nothing else: the figures, the calibration curve, and the failures.

use std::fmt::Write as _;

use super::outcome::{Outcome, Verdict};
use super::score::{Score, Tally};

/// The side of the calibration curve's square, in pixels.
const CURVE: f64 = 260.0;

/// The page.
#[must_use]
pub fn page(suite: &str, score: &Score, outcomes: &[Outcome]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n",
        escaped(suite)
    );
    let _ = writeln!(
        page,
        "<p>latency: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms</p>",
        score.latency_ms(0.5),
        score.latency_ms(0.95),
        score.latency_ms(0.99)
    );
    if score.unanswerable.count() > 0 {
        let _ = writeln!(
            page,
            "<p>{} questions without an answer: {} refused</p>",
            score.unanswerable.count(),
            percent(1.0 - score.unanswerable.coverage())
        );
    }
    let all = [("all".to_owned(), score.all)];
    table(
        &mut page,
        "in all",
        all.iter().map(|(name, tally)| (name, tally)),
    );
    table(&mut page, "by provider", score.by_provider.iter());
    table(&mut page, "by category", score.by_category.iter());
    page.push_str(&curve(score));
    table(&mut page, "by database", score.by_database.iter());
    failures(&mut page, outcomes);
    page.push_str("</body></html>\n");
    page
}

fn table<'a>(
    page: &mut String,
    title: &str,
    tallies: impl Iterator<Item = (&'a String, &'a Tally)>,
) {
    let _ = write!(
        page,
        "<h2>{title}</h2>\n<table><tr><th></th><th>count</th><th>exact</th><th>+ subset</th><th>answered</th>\
         <th>precision</th><th>wrong</th><th>error</th><th>refused</th></tr>\n"
    );
    for (name, tally) in tallies {
        let _ = writeln!(
            page,
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(name),
            tally.count(),
            percent(tally.accuracy()),
            percent(tally.accuracy_or_subset()),
            percent(tally.coverage()),
            percent(tally.precision()),
            tally.wrong,
            tally.error,
            tally.refused,
        );
    }
    page.push_str("</table>\n");
}

/// What held over what was claimed; on the diagonal the two are the same. A point is as large as it has answers.
fn curve(score: &Score) -> String {
    let mut svg = format!(
        "<h2>calibration</h2>\n<p>exact answers over claimed confidence; expected calibration error {:.3}</p>\n\
         <svg viewBox=\"-40 -10 320 310\" width=\"380\" role=\"img\" aria-label=\"calibration curve\">\
         <rect width=\"{CURVE}\" height=\"{CURVE}\"/><line x1=\"0\" y1=\"{CURVE}\" x2=\"{CURVE}\" y2=\"0\"/>",
        score.calibration_error()
    );
    let bins = || score.calibration.iter().filter(|bin| bin.count > 0);
    let at = |share: f64| share * CURVE;
    let points: Vec<String> = bins()
        .map(|bin| format!("{:.1},{:.1}", at(bin.claimed()), CURVE - at(bin.held())))
        .collect();
    let _ = write!(svg, "<polyline points=\"{}\"/>", points.join(" "));
    for bin in bins() {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"><title>{} answers, claimed {}, exact {}</title></circle>",
            at(bin.claimed()),
            CURVE - at(bin.held()),
            3.0 + (bin.count as f64).log10() * 2.0,
            bin.count,
            percent(bin.claimed()),
            percent(bin.held()),
        );
    }
    for share in [0.0, 0.5, 1.0] {
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{share}</text>\
             <text x=\"-8\" y=\"{:.0}\" text-anchor=\"end\">{share}</text>",
            at(share),
            CURVE + 18.0,
            CURVE - at(share) + 4.0,
        );
    }
    svg + "</svg>\n"
}

fn failures(page: &mut String, outcomes: &[Outcome]) {
    let failed: Vec<&Outcome> = outcomes.iter().filter(|o| !o.is_right()).collect();
    let _ = write!(
        page,
        "<h2>failures ({})</h2>\n<p><input id=\"search\" placeholder=\"words of a question, a database, a verdict\"> \
         <span id=\"shown\"></span></p>\n<div id=\"failures\">\n",
        failed.len()
    );
    for outcome in failed {
        let verdict = match outcome.verdict {
            Verdict::Wrong if !outcome.answerable => "answered",
            verdict => verdict.as_str(),
        };
        let _ = write!(
            page,
            "<details><summary><b class=\"{verdict}\">{verdict}</b> {} <i>{} / {} / {}</i></summary>",
            escaped(&outcome.question),
            escaped(&outcome.id),
            escaped(&outcome.db),
            escaped(&outcome.category),
        );
        let confidence = outcome.confidence.map(|c| format!("{c:.2}"));
        for (name, text) in [
            ("reading", outcome.reading.as_deref()),
            ("error", outcome.error.as_deref()),
            ("confidence", confidence.as_deref()),
        ] {
            if let Some(text) = text {
                let _ = write!(page, "<p>{name}: {}</p>", escaped(text));
            }
        }
        for (name, sql) in [("answered", &outcome.sql), ("gold", &outcome.gold)] {
            if let Some(sql) = sql {
                let _ = write!(page, "<h3>{name}</h3><pre>{}</pre>", escaped(sql));
            }
        }
        page.push_str("</details>\n");
    }
    let _ = write!(page, "</div>\n<script>{SCRIPT}</script>\n");
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Text as HTML: a question may hold anything.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html
}

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}td,th{padding:.15rem .8rem;text-align:right}th:first-child{text-align:left}\
tr+tr{border-top:1px solid #8884}details{border-top:1px solid #8884;padding:.3rem 0}summary{cursor:pointer}\
pre{white-space:pre-wrap;background:#8882;padding:.5rem}h3{font-size:1em;margin:.5rem 0 0}i{color:#888}\
input{width:24rem;max-width:100%;padding:.3rem}.wrong,.error,.answered{color:#c33}.refused{color:#888}.subset{color:#a70}\
svg rect{fill:none;stroke:#8888}svg line{stroke:#8888;stroke-dasharray:4}svg polyline{fill:none;stroke:#27c;stroke-width:2}\
svg circle{fill:#27c}svg text{font-size:12px;fill:currentColor}";

const SCRIPT: &str = "\
const all=[...document.querySelectorAll('#failures details')],search=document.getElementById('search'),\
shown=document.getElementById('shown');function show(){const words=search.value.toLowerCase().split(/\\s+/);let count=0;\
for(const one of all){const text=one.textContent.toLowerCase();const is=words.every(word=>text.includes(word));\
one.hidden=!is;count+=is}shown.textContent=count+' shown'}search.addEventListener('input',show);show()";

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    #[test]
    fn failures_are_shown_and_nothing_of_theirs_is_markup() {
        let wrong = Outcome {
            question: "how <script>alert(1)</script> & \"why\"".to_owned(),
            ..outcome("a", Verdict::Wrong)
        };
        let outcomes = [wrong, outcome("b", Verdict::Exact)];
        let page = page("<zoo>", &Score::of(&outcomes), &outcomes);
        assert!(page.contains("failures (1)"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;why&quot;"));
        assert_eq!(page.matches("<script>").count(), 1);
        assert_eq!(page.matches("<details>").count(), 1);
        assert_eq!(page.matches("<circle").count(), 1);
    }
}
