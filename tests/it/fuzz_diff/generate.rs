//! A seed becomes a sequence: which clients take part, what they speak about, and every step.

use super::dice::Dice;
use super::script::{Act, Leave, Message, Script, Step};
use super::vocabulary::{
    BASIC, COPIES_IN, COPY_ROWS, FUNCTIONS, NAMES, PREPARED_NAMES, SQL_NAMES, THEMES, TYPES, Theme,
    VALUES,
};

/// The fewest and the most steps of a sequence.
const STEPS: (usize, usize) = (4, 14);

/// Messages of one batch at most, before its Sync.
const BATCH_MAX: usize = 6;

/// The sequence of this seed.
pub(super) fn script(seed: u64) -> Script {
    let mut dice = Dice::new(seed);
    let client_count = [3, 3, 3, 4, 5][dice.below(5)];
    let mut generator = Generator {
        themes: themes(&mut dice),
        client_count,
        habits: Habits {
            extended: [10, 45, 80][dice.below(3)],
            leaves: dice.percent(6),
            cancels: dice.percent(3),
            waits: dice.percent(20),
            bytes: dice.percent(10),
        },
        dice,
    };
    let count = STEPS.0 + generator.dice.below(STEPS.1 - STEPS.0 + 1);
    let mut steps = Vec::new();
    while steps.len() < count {
        generator.add_step(&mut steps);
    }
    Script { steps }
}

/// A few themes, so that what a sequence has meets often.
fn themes(dice: &mut Dice) -> Vec<&'static Theme> {
    let mut themes = vec![&BASIC];
    for _ in 0..1 + dice.below(3) {
        themes.push(&THEMES[dice.below(THEMES.len())]);
    }
    themes
}

struct Generator {
    dice: Dice,
    themes: Vec<&'static Theme>,
    client_count: usize,
    habits: Habits,
}

/// How a sequence's clients behave.
struct Habits {
    /// Percentage of steps in the extended protocol.
    extended: usize,
    leaves: bool,
    cancels: bool,
    waits: bool,
    /// Bytes that are no text.
    bytes: bool,
}

impl Generator {
    fn add_step(&mut self, steps: &mut Vec<Step>) {
        let client = self.dice.below(self.client_count);
        if self.has("copy") && self.dice.percent(30) {
            self.add_copy(client, steps);
            return;
        }
        if self.dice.percent(self.habits.extended / 15) {
            self.add_portal(client, steps);
            return;
        }
        let act = if self.habits.leaves && self.dice.percent(15) {
            Act::Leave(
                [
                    Leave::Terminate,
                    Leave::Close,
                    Leave::MidMessage,
                    Leave::Unread,
                ][self.dice.below(4)],
            )
        } else if self.habits.cancels && self.dice.percent(25) {
            match self.dice.below(4) {
                0 => Act::CancelBusy("select pg_sleep(30)"),
                1 => Act::CancelBusy("begin; select pg_sleep(30)"),
                2 => Act::CancelRace,
                _ => Act::CancelIdle,
            }
        } else if self.dice.percent(3) {
            Act::AskPid
        } else if self.dice.percent(self.habits.extended) {
            let batch = self.batch(client);
            if self.habits.waits && self.dice.percent(30) {
                Act::SayAndWait(batch)
            } else {
                Act::Say(batch)
            }
        } else if self.dice.percent(2) {
            let (oid, arguments) = FUNCTIONS[self.dice.below(FUNCTIONS.len())];
            Act::Say(vec![Message::FunctionCall(oid, arguments.to_vec())])
        } else {
            let mut said = vec![Message::Query(self.query(client))];
            while self.dice.percent(10) {
                said.push(Message::Query(self.query(client)));
            }
            if self.habits.waits && self.dice.percent(30) {
                Act::SayAndWait(said)
            } else {
                Act::Say(said)
            }
        };
        steps.push(Step { client, act });
    }

    fn has(&self, theme: &str) -> bool {
        self.themes.iter().any(|own| own.name == theme)
    }

    /// A statement, with its blanks filled in.
    fn statement(&mut self, client: usize) -> Vec<u8> {
        // The basic ones come last of all.
        let theme = self.themes[if self.dice.percent(15) {
            0
        } else {
            self.dice.below(self.themes.len())
        }];
        let text = self.dice.one_of(theme.statements);
        let mut sql = self.filled(text, client);
        if self.habits.bytes && self.dice.percent(15) {
            let at = self.dice.below(sql.len() + 1);
            sql.insert(
                at,
                [0xff, 0xc3, 0x80, b'\'', b'"', b'\\'][self.dice.below(6)],
            );
        }
        sql
    }

    fn filled(&mut self, text: &str, client: usize) -> Vec<u8> {
        let mut sql = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            sql.push_str(before);
            let blank = after.chars().next().unwrap();
            match blank {
                'c' => sql.push_str(&client.to_string()),
                'n' => sql.push_str(&(1 + self.dice.below(4)).to_string()),
                'x' => sql.push_str(self.dice.one_of(&SQL_NAMES)),
                'p' => sql.push_str(self.dice.one_of(&PREPARED_NAMES)),
                other => sql.push(other),
            }
            rest = &after[blank.len_utf8()..];
        }
        sql.push_str(rest);
        sql.into_bytes()
    }

    /// The text of a Query: one statement, or several.
    fn query(&mut self, client: usize) -> Vec<u8> {
        let mut sql = self.statement(client);
        while self.dice.percent(15) {
            sql.extend(b"; ");
            sql.extend(self.statement(client));
        }
        sql
    }

    /// Messages of the extended protocol.
    fn batch(&mut self, client: usize) -> Vec<Message> {
        let mut batch = Vec::new();
        loop {
            match self.dice.below(5) {
                0 | 1 => self.whole_statement(client, &mut batch),
                2 => self.known_statement(&mut batch),
                _ => {
                    for _ in 0..=self.dice.below(BATCH_MAX) {
                        let message = self.message(client);
                        batch.push(message);
                    }
                }
            }
            if self.dice.percent(80) {
                batch.push(Message::Sync);
            }
            if self.dice.percent(70) {
                return batch;
            }
        }
    }

    /// What drivers send for a statement.
    fn whole_statement(&mut self, client: usize, batch: &mut Vec<Message>) {
        let name = self.dice.one_of(&NAMES);
        let parse = self.parse(name, client);
        let has_parameters = parse.sql().is_some_and(|sql| sql.contains(&b'$'));
        batch.push(parse);
        if self.dice.percent(30) {
            batch.push(Message::DescribeStatement(name));
        }
        // Most drivers know how many parameters there are.
        batch.push(if has_parameters || self.dice.percent(20) {
            self.bind("", name)
        } else {
            bind("", name)
        });
        if self.dice.percent(50) {
            batch.push(Message::DescribePortal(""));
        }
        batch.push(Message::Execute("", self.row_limit()));
    }

    /// Runs what was prepared before.
    fn known_statement(&mut self, batch: &mut Vec<Message>) {
        let name = self.dice.one_of(&NAMES);
        let portal = self.dice.one_of(&NAMES);
        batch.push(self.bind(portal, name));
        batch.push(Message::Execute(portal, self.row_limit()));
        while self.dice.percent(25) {
            batch.push(Message::Execute(portal, self.row_limit()));
        }
    }

    fn message(&mut self, client: usize) -> Message {
        let name = self.dice.one_of(&NAMES);
        let other = self.dice.one_of(&NAMES);
        match self.dice.below(18) {
            0..=3 => self.parse(name, client),
            4..=7 => self.bind(other, name),
            8..=10 => Message::Execute(name, self.row_limit()),
            11 => Message::DescribeStatement(name),
            12 => Message::DescribePortal(name),
            13 => Message::CloseStatement(name),
            14 => Message::ClosePortal(name),
            15 => Message::Flush,
            16 => Message::Sync,
            _ => Message::Query(self.query(client)),
        }
    }

    fn parse(&mut self, name: &'static str, client: usize) -> Message {
        let types = if self.dice.percent(15) {
            vec![TYPES[self.dice.below(TYPES.len())]]
        } else {
            Vec::new()
        };
        Message::Parse(name, self.statement(client), types)
    }

    fn bind(&mut self, portal: &'static str, statement: &'static str) -> Message {
        let count = [0, 0, 1, 1, 1, 2][self.dice.below(6)];
        let odd = if self.habits.bytes { VALUES.len() } else { 5 };
        let values = (0..count)
            .map(|_| (!self.dice.percent(5)).then(|| VALUES[self.dice.below(odd)].to_vec()))
            .collect();
        let mut formats = || match self.dice.below(12) {
            0 => vec![1],
            1 => vec![0],
            2 if self.habits.bytes => vec![1, 0],
            3 if self.habits.bytes => vec![7],
            _ => Vec::new(),
        };
        Message::Bind {
            portal,
            statement,
            values,
            formats: formats(),
            results: formats(),
        }
    }

    fn row_limit(&mut self) -> i32 {
        [0, 0, 0, 1, 2, 5][self.dice.below(6)]
    }

    /// A portal that is read in pieces, between which others have their turn.
    fn add_portal(&mut self, client: usize, steps: &mut Vec<Step>) {
        let portal = self.dice.one_of(&NAMES);
        let sql = self.dice.one_of(&[
            "select g from generate_series(1, 7) g",
            "select g, repeat('r', 300) from generate_series(1, 12) g",
            "insert into log select %c, g::text from generate_series(1, 4) g returning t",
        ]);
        let sql = self.filled(sql, client);
        let execute = |rows| Message::Execute(portal, rows);
        let first = vec![
            Message::query("begin"),
            Message::Parse("", sql, Vec::new()),
            bind(portal, ""),
            execute(2),
            Message::Sync,
        ];
        let again = vec![execute(1), execute(2), Message::Sync];
        for messages in [first, again] {
            let act = Act::Say(messages);
            steps.push(Step { client, act });
            let other = (client + 1) % self.client_count;
            let query = self.query(other);
            let act = Act::Say(vec![Message::Query(query)]);
            steps.push(Step { client: other, act });
        }
    }

    /// A COPY FROM STDIN in one step or in two, between which others have their turn.
    fn add_copy(&mut self, client: usize, steps: &mut Vec<Step>) {
        let sql = self.dice.one_of(&COPIES_IN).as_bytes().to_vec();
        let is_extended = self.dice.percent(35);
        let mut begin = if is_extended {
            vec![
                Message::Parse("", sql, Vec::new()),
                bind("", ""),
                Message::Execute("", 0),
            ]
        } else {
            vec![Message::Query(sql)]
        };
        let mut rows = Vec::new();
        for _ in 0..self.dice.below(4) {
            rows.push(Message::CopyData(self.dice.one_of(&COPY_ROWS).to_vec()));
        }
        rows.push(if self.dice.percent(75) {
            Message::CopyDone
        } else {
            Message::CopyFail
        });
        if is_extended {
            rows.push(Message::Sync);
        }
        if self.dice.percent(50) {
            begin.extend(rows);
            let act = Act::Say(begin);
            steps.push(Step { client, act });
            return;
        }
        let act = Act::Say(begin);
        steps.push(Step { client, act });
        let other = (client + 1) % self.client_count;
        let query = self.query(other);
        let act = Act::Say(vec![Message::Query(query)]);
        steps.push(Step { client: other, act });
        let act = Act::Say(rows);
        steps.push(Step { client, act });
    }
}

/// A Bind without parameters.
fn bind(portal: &'static str, statement: &'static str) -> Message {
    Message::Bind {
        portal,
        statement,
        values: Vec::new(),
        formats: Vec::new(),
        results: Vec::new(),
    }
}
