//! Rows as a person reads them in a terminal, in the shape that psql prints.

/// Rows of text under their columns' names; `None` is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each with a value for each column.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Renders the table with aligned columns, numbers to the right, and the number of rows below.
    ///
    /// NULL is shown as nothing, and a line break inside a value as `\n`, so that a row stays one line.
    #[must_use]
    pub fn render(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|name| shown(name)).collect();
        let cell = |value: &Option<String>| value.as_deref().map(shown).unwrap_or_default();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(cell).collect())
            .collect();
        let columns: Vec<Column> = names
            .iter()
            .enumerate()
            .map(|(index, name)| Column::new(name, rows.iter().filter_map(|row| row.get(index))))
            .collect();

        let header = names
            .iter()
            .zip(&columns)
            .map(|(name, column)| column.centred(name));
        let mut text = line(header);
        let rules: Vec<String> = columns.iter().map(Column::rule).collect();
        text.push_str(&rules.join("+"));
        text.push('\n');
        for row in &rows {
            text.push_str(&line(
                row.iter()
                    .zip(&columns)
                    .map(|(value, column)| column.aligned(value)),
            ));
        }
        let unit = if rows.len() == 1 { "row" } else { "rows" };
        text.push_str(&format!("({} {unit})\n", rows.len()));
        text
    }
}

struct Column {
    /// In characters.
    width: usize,
    /// Whether every value that is not NULL is a number.
    is_numeric: bool,
}

impl Column {
    fn new<'a>(name: &str, values: impl Iterator<Item = &'a String>) -> Self {
        let mut width = name.chars().count();
        let (mut numbers, mut words) = (0, 0);
        for value in values.filter(|value| !value.is_empty()) {
            width = width.max(value.chars().count());
            match value.parse::<f64>() {
                Ok(_) => numbers += 1,
                Err(_) => words += 1,
            }
        }
        Self {
            width,
            is_numeric: numbers > 0 && words == 0,
        }
    }

    fn centred(&self, name: &str) -> String {
        format!(" {name:^width$} ", width = self.width)
    }

    fn aligned(&self, value: &str) -> String {
        let width = self.width;
        if self.is_numeric {
            format!(" {value:>width$} ")
        } else {
            format!(" {value:<width$} ")
        }
    }

    fn rule(&self) -> String {
        "-".repeat(self.width + 2)
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("{}\n", cells.join("|").trim_end())
}

/// A text without control characters: they would move the cursor, or worse, a terminal obeys some of them.
fn shown(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut shown, next| {
            if next.is_control() {
                shown.extend(next.escape_default());
            } else {
                shown.push(next);
            }
            shown
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(columns: &[&str], rows: &[&[Option<&str>]], expect: &str) {
        let table = Table {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(|value| value.map(str::to_owned)).collect())
                .collect(),
        };
        assert_eq!(table.render(), expect);
    }

    #[test]
    fn numbers_stand_to_the_right_and_null_is_nothing() {
        check(
            &["name", "total"],
            &[
                &[Some("Zoë"), Some("9.50")],
                &[Some("Max"), None],
                &[None, Some("120")],
            ],
            " name | total\n------+-------\n Zoë  |  9.50\n Max  |\n      |   120\n(3 rows)\n",
        );
    }

    #[test]
    fn a_row_stays_one_line_and_obeys_no_control_character() {
        check(
            &["note"],
            &[&[Some("a\nb\u{1b}[2J")]],
            "     note\n---------------\n a\\nb\\u{1b}[2J\n(1 row)\n",
        );
    }

    #[test]
    fn no_rows_are_a_table_too() {
        check(&["count"], &[], " count\n-------\n(0 rows)\n");
    }
}
