//! The span lattice: everything that every stretch of the question can mean on its own.

use std::sync::Arc;

use jiff::civil::Date;

use crate::schema::snapshot::{ColumnId, RelationId};

use super::dates::{self, Span};
use super::english::{self, Business, Graded, PHRASE_WORDS_MAX, Word};
use super::lexicon::{Entry, Lexicon, Meaning};
use super::sketch::EdgeId;
use super::tokens::{Token, TokenKind};

/// Candidates kept for one span and kind.
const CANDIDATES_MAX: usize = 12;

/// A candidate meaning and its quality, 0 to 1.
pub(super) type Scored<T> = (T, f32);

/// What a span can be in a sentence. Which of its candidates is meant is decided later, in context.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Rows: a relation, or the partner through a foreign key.
    Noun(Vec<Scored<Rows>>),
    /// Columns.
    Attribute(Vec<Scored<ColumnId>>),
    /// Stored values.
    Value(Vec<Scored<(ColumnId, Arc<str>)>>),
    /// Boolean columns that are wanted true or false.
    Flag(Vec<Scored<(ColumnId, bool)>>),
    Function(Word),
    Graded(Graded),
    Business(Business),
    Number(String),
    Param(u16),
    Quoted(String),
    Date(Span),
    /// A word of comments: it is covered when what it speaks of is used.
    Hint(Vec<Scored<Meaning>>),
    /// A capitalised word that nothing knows: it may be a name.
    Name(String),
    /// Nothing is known of it.
    Unknown,
}

/// What a noun stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Relation(RelationId),
    /// Index into the snapshot's foreign keys.
    Role(usize),
}

impl Rows {
    fn meaning(self) -> Meaning {
        match self {
            Self::Relation(id) => Meaning::Relation(id),
            Self::Role(key) => Meaning::Role(key),
        }
    }
}

/// A span of tokens with one kind of meaning.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// The quality of its best candidate, 0 to 1.
    pub(super) quality: f32,
}

/// How well a quotation is a text of its own, where a value is stored in just that spelling: the value should win, and
/// by more than makes a question ambiguous.
const STORED_QUOTED_QUALITY: f32 = 0.5;

/// All edges, by where they begin.
#[derive(Clone, Debug)]
pub(super) struct Lattice {
    pub(super) tokens: Vec<Token>,
    pub(super) edges: Vec<Edge>,
    starts: Vec<Vec<usize>>,
}

impl Lattice {
    /// Looks every span of the question up.
    pub(super) fn new(tokens: Vec<Token>, lexicon: &Lexicon, today: Date) -> Self {
        let count = tokens.len();
        let mut lattice = Self {
            tokens,
            edges: Vec::new(),
            starts: vec![Vec::new(); count + 1],
        };
        for start in 0..count {
            lattice.add_constants(start, today);
            lattice.add_quoted(start, lexicon);
            lattice.add_functions(start);
            lattice.add_phrases(start, lexicon);
        }
        lattice.add_ellipses(lexicon);
        lattice.add_unknown(lexicon);
        lattice
    }

    /// The same with more behind it: a mark, and tokens whose spans do not reach back over it.
    pub(super) fn extended(&self, tokens: Vec<Token>, lexicon: &Lexicon, today: Date) -> Self {
        let more = Self::new(tokens, lexicon, today);
        let mut whole = self.clone();
        whole.tokens.push(Token::mark());
        let (tokens, edges) = (whole.tokens.len(), whole.edges.len());
        whole.tokens.extend(more.tokens);
        whole.edges.extend(more.edges.into_iter().map(|edge| Edge {
            start: edge.start + tokens,
            end: edge.end + tokens,
            ..edge
        }));
        let starts = more
            .starts
            .into_iter()
            .map(|ids| ids.into_iter().map(|id| id + edges).collect());
        whole.starts.extend(starts);
        whole
    }

    /// Leaves the words of these edges no other meanings.
    pub(super) fn pin(&mut self, picks: &[(EdgeId, Meaning)]) {
        for (id, _) in picks {
            let mine: Vec<&Meaning> = picks.iter().filter(|p| p.0 == *id).map(|p| &p.1).collect();
            match &mut self.edges[*id].kind {
                Kind::Noun(all) => all.retain(|(rows, _)| mine.contains(&&rows.meaning())),
                Kind::Attribute(all) => {
                    all.retain(|(column, _)| mine.contains(&&Meaning::Column(*column)));
                }
                Kind::Value(all) => all.retain(|((column, value), _)| {
                    mine.contains(&&Meaning::Value(*column, Arc::clone(value)))
                }),
                Kind::Flag(all) => all.retain(|((column, wanted), _)| {
                    mine.contains(&&Meaning::Flag(*column, *wanted))
                }),
                _ => {}
            }
        }
    }

    /// The columns that an edge's values are of.
    pub(super) fn columns_of_values(&self, edge: EdgeId) -> Vec<ColumnId> {
        match &self.edges[edge].kind {
            Kind::Value(candidates) => candidates.iter().map(|((id, _), _)| *id).collect(),
            _ => Vec::new(),
        }
    }

    /// Leaves nouns from a token on no other rows than these edges stand for, where they may.
    pub(super) fn prefer_rows(&mut self, from: usize, edges: &[EdgeId]) {
        let known: Vec<Rows> = edges
            .iter()
            .flat_map(|id| match &self.edges[*id].kind {
                Kind::Noun(candidates) => candidates.iter().map(|c| c.0).collect(),
                _ => Vec::new(),
            })
            .collect();
        for edge in self.edges.iter_mut().filter(|e| e.start >= from) {
            if let Kind::Noun(candidates) = &mut edge.kind
                && candidates.iter().any(|(rows, _)| known.contains(rows))
            {
                candidates.retain(|(rows, _)| known.contains(rows));
            }
        }
    }

    /// Leaves the values from a token on no other columns than these, where there is a choice.
    pub(super) fn prefer(&mut self, from: usize, columns: &[ColumnId]) {
        for edge in self.edges.iter_mut().filter(|e| e.start >= from) {
            if let Kind::Value(candidates) = &mut edge.kind
                && candidates.iter().any(|((id, _), _)| columns.contains(id))
            {
                candidates.retain(|((id, _), _)| columns.contains(id));
            }
        }
    }

    /// The edges that begin at a token.
    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = (usize, &Edge)> {
        self.starts
            .get(start)
            .into_iter()
            .flatten()
            .map(|&id| (id, &self.edges[id]))
    }

    /// The spelling of a span.
    pub(super) fn words(&self, start: usize, end: usize) -> String {
        let words: Vec<&str> = self.tokens[start..end]
            .iter()
            .map(|t| t.raw.as_str())
            .collect();
        words.join(" ")
    }

    /// The question's words at an edge, folded: a heading for the column that it asks for.
    pub(super) fn heading(&self, edge: usize) -> String {
        let edge = &self.edges[edge];
        let words: Vec<&str> = self.tokens[edge.start..edge.end]
            .iter()
            .map(|t| t.folded.as_str())
            .collect();
        words.join("_")
    }

    fn push(&mut self, start: usize, end: usize, kind: Kind, quality: f32) {
        self.starts[start].push(self.edges.len());
        self.edges.push(Edge {
            start,
            end,
            kind,
            quality,
        });
    }

    fn add_constants(&mut self, start: usize, today: Date) {
        match self.tokens[start].kind.clone() {
            TokenKind::Number(digits) => self.push(start, start + 1, Kind::Number(digits), 1.0),
            TokenKind::Param(n) => self.push(start, start + 1, Kind::Param(n), 1.0),
            TokenKind::Quoted => {
                let text = self.tokens[start].raw.clone();
                self.push(start, start + 1, Kind::Quoted(text), 1.0);
            }
            TokenKind::Comma => self.push(start, start + 1, Kind::Function(Word::And), 1.0),
            TokenKind::Word => {
                if let Some(digits) = english::number(&self.tokens[start].folded) {
                    self.push(start, start + 1, Kind::Number(digits.to_owned()), 0.9);
                }
            }
        }
        if let Some((end, span)) = dates::span(&self.tokens, start, today) {
            self.push(start, end, Kind::Date(span), 1.0);
        }
    }

    /// A quotation may be a stored value.
    fn add_quoted(&mut self, start: usize, lexicon: &Lexicon) {
        if self.tokens[start].kind != TokenKind::Quoted {
            return;
        }
        let raw = self.tokens[start].raw.clone();
        let words = super::text::words(&raw);
        let is_value = |e: &&Entry| matches!(e.meaning, Meaning::Value(..));
        let entries: Vec<Entry> = lexicon
            .get(&super::text::key(&words))
            .iter()
            .filter(is_value)
            .cloned()
            .collect();
        let is_stored =
            |e: &Entry| matches!(&e.meaning, Meaning::Value(_, value) if **value == *raw);
        if entries.iter().any(is_stored) {
            // Spelled as it is stored, it is that value, and no text to compare in any letter case.
            for &id in &self.starts[start] {
                if matches!(self.edges[id].kind, Kind::Quoted(_)) {
                    self.edges[id].quality = STORED_QUOTED_QUALITY;
                }
            }
        }
        self.add_entries(start, start + 1, &entries, &words.join(" "), 1.0);
    }

    fn add_functions(&mut self, start: usize) {
        let mut phrase = String::new();
        let mut parts: Vec<String> = Vec::new();
        for end in start + 1..=(start + PHRASE_WORDS_MAX).min(self.tokens.len()) {
            let token = &self.tokens[end - 1];
            if !matches!(token.kind, TokenKind::Word | TokenKind::Comma) {
                break;
            }
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(&token.folded);
            parts.push(token.folded.clone());
            for word in english::functions(&phrase) {
                self.push(start, end, Kind::Function(*word), 1.0);
            }
            if let Some(business) = english::business(&phrase) {
                self.push(start, end, Kind::Business(business), 0.95);
            }
            if parts.len() <= 2 {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                if let Some(graded) = english::graded(&parts) {
                    self.push(start, end, Kind::Graded(graded), 1.0);
                }
            }
        }
    }

    fn add_phrases(&mut self, start: usize, lexicon: &Lexicon) {
        let mut key = String::new();
        let mut spelling = String::new();
        let mut commas = false;
        for end in start + 1..=(start + lexicon.words_max).min(self.tokens.len()) {
            let token = &self.tokens[end - 1];
            // "Tokyo, Japan" may be one value; the comma is no part of its key.
            if end > start + 1 && token.kind == TokenKind::Comma && token.raw == "," {
                commas = true;
                continue;
            }
            if !matches!(token.kind, TokenKind::Word | TokenKind::Number(_)) {
                break;
            }
            for (text, word) in [(&mut key, &token.stem), (&mut spelling, &token.folded)] {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
            let lone_number = end == start + 1 && matches!(token.kind, TokenKind::Number(_));
            let entries = lexicon.get(&key);
            if commas {
                let is_value = |e: &&Entry| matches!(e.meaning, Meaning::Value(..));
                let values: Vec<Entry> = entries.iter().filter(is_value).cloned().collect();
                self.add_entries(start, end, &values, &spelling, 1.0);
                continue;
            }
            if !entries.is_empty() && !lone_number {
                self.add_entries(start, end, entries, &spelling, 1.0);
            }
            // "high schooler" where the schema writes it in one word.
            if (start + 2..=start + 3).contains(&end) {
                let joined = super::text::stem(&spelling.replace(' ', ""));
                let entries: Vec<Entry> = lexicon
                    .get(&joined)
                    .iter()
                    .filter(|e| !matches!(e.meaning, Meaning::Value(..)))
                    .cloned()
                    .collect();
                self.add_entries(start, end, &entries, &spelling, 0.95);
            }
        }
    }

    fn add_entries(
        &mut self,
        start: usize,
        end: usize,
        entries: &[Entry],
        spelling: &str,
        scale: f32,
    ) {
        let (mut nouns, mut attributes, mut values, mut flags) = (vec![], vec![], vec![], vec![]);
        let spelling = super::text::words(spelling).join(" ");
        for entry in entries {
            let quality = entry.quality * scale;
            match &entry.meaning {
                Meaning::Relation(id) => nouns.push((Rows::Relation(*id), quality)),
                Meaning::Role(key) => nouns.push((Rows::Role(*key), quality)),
                Meaning::Column(id) => attributes.push((*id, quality)),
                Meaning::Flag(id, wanted) => flags.push(((*id, *wanted), quality)),
                Meaning::Value(id, value) => {
                    let exact = entry.spelling.as_deref() == Some(spelling.as_str());
                    let quality = if exact { quality } else { quality * 0.8 };
                    values.push(((*id, Arc::clone(value)), quality));
                }
            }
        }
        self.push_best(start, end, nouns, Kind::Noun);
        self.push_best(start, end, attributes, Kind::Attribute);
        self.push_best(start, end, values, Kind::Value);
        self.push_best(start, end, flags, Kind::Flag);
    }

    fn push_best<T>(
        &mut self,
        start: usize,
        end: usize,
        mut found: Vec<Scored<T>>,
        kind: impl Fn(Vec<Scored<T>>) -> Kind,
    ) {
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(CANDIDATES_MAX);
        if let Some(best) = found.first().map(|f| f.1) {
            self.push(start, end, kind(found), best);
        }
    }

    /// "first, middle and last name", "arrival and departure date": the words that are left out are those at the end of
    /// the last one.
    fn add_ellipses(&mut self, lexicon: &Lexicon) {
        let count = self.tokens.len();
        let is_joint =
            |t: &Token| t.kind == TokenKind::Comma || t.folded == "and" || t.folded == "or";
        for joint in 1..count.saturating_sub(1) {
            if !is_joint(&self.tokens[joint]) || is_joint(&self.tokens[joint - 1]) {
                continue;
            }
            let first = joint - 1;
            // The next member that is whole: behind this joint, or behind another one.
            let mut at = joint + 1;
            while at < count
                && (is_joint(&self.tokens[at]) || self.tokens.get(at + 1).is_some_and(is_joint))
            {
                at += 1;
            }
            let ends: Vec<usize> = self
                .from(at)
                .filter(|(_, e)| matches!(e.kind, Kind::Attribute(_)) && e.end > at + 1)
                .map(|(_, e)| e.end)
                .collect();
            for end in ends {
                let mut parts = vec![self.tokens[first].stem.clone()];
                parts.extend(self.tokens[at + 1..end].iter().map(|t| t.stem.clone()));
                let entries: Vec<Entry> = lexicon
                    .get(&parts.join(" "))
                    .iter()
                    .filter(|e| matches!(e.meaning, Meaning::Column(_)))
                    .cloned()
                    .collect();
                self.add_entries(first, first + 1, &entries, "", 1.2);
            }
        }
    }

    /// Words that nothing covers yet: mistyped names, words of comments, proper names.
    fn add_unknown(&mut self, lexicon: &Lexicon) {
        let mut covered = vec![false; self.tokens.len()];
        for edge in &self.edges {
            covered[edge.start..edge.end].fill(true);
        }
        for (start, covered) in covered.into_iter().enumerate() {
            let token = self.tokens[start].clone();
            if token.kind != TokenKind::Word {
                continue;
            }
            let hints = lexicon.hints(&token.stem);
            let named = self.from(start).any(|(_, e)| {
                matches!(e.kind, Kind::Noun(_) | Kind::Value(_) | Kind::Flag(_)) && e.quality > 0.6
            });
            if !hints.is_empty() && !named {
                let hints = hints.iter().map(|m| (m.clone(), 1.0)).collect();
                self.push(start, start + 1, Kind::Hint(hints), 0.4);
            }
            if covered {
                continue;
            }
            if token.capital || token.raw.chars().any(|c| c.is_ascii_digit()) {
                self.add_name(start);
            }
            for (near, edits) in lexicon.near(&token.folded) {
                let entries = lexicon.get(near).to_vec();
                self.add_entries(start, start + 1, &entries, near, 0.8 - 0.1 * edits);
            }
            self.push(start, start + 1, Kind::Unknown, 0.0);
        }
    }

    /// "Emma van Dijk": capitalised words in a row, small words of names between them included.
    fn add_name(&mut self, start: usize) {
        const PARTICLES: &[&str] = &[
            "van", "von", "de", "der", "den", "di", "da", "do", "dos", "du", "la", "le", "el",
            "al", "bin", "ibn", "ten", "ter", "y",
        ];
        // "The Great Gatsby" is not called Great Gatsby.
        let goes_on = start > 0
            && self.tokens[start - 1].capital
            && !english::functions(&self.tokens[start - 1].folded).is_empty();
        let start = if goes_on { start - 1 } else { start };
        let mut end = start + 1;
        while let Some(token) = self.tokens.get(end) {
            let next_is_capital = self.tokens.get(end + 1).is_some_and(|t| t.capital);
            let particle = next_is_capital && PARTICLES.contains(&token.raw.as_str());
            if !(token.capital || particle) {
                break;
            }
            end += 1;
        }
        let name = self.words(start, end);
        self.push(start, end, Kind::Name(name), 0.6);
    }
}
