//! What the rows of a small table say of its columns: which values there are, and how often.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::queries::{OTHER_VALUES_MAX, TEXT_VALUES_MAX, VALUE_CHARS_MAX};
use super::snapshot::{Column, ColumnStats, TypeClass};

/// Different values of one column that are counted at most; where there are more, the first ones are known.
const DISTINCT_MAX: usize = 10_000;

/// The values of some columns, field by field.
#[derive(Debug)]
pub(in crate::schema) struct Values {
    fields: Vec<Field>,
    row_count: usize,
}

#[derive(Debug, Default)]
struct Field {
    counts: HashMap<Box<str>, u32>,
    /// Rows that have a value.
    value_count: usize,
    /// Rows whose value was not counted: prose, or one too many.
    uncounted: usize,
}

impl Values {
    /// Nothing yet, of so many fields.
    pub(in crate::schema) fn of(field_count: usize) -> Self {
        let mut fields = Vec::new();
        fields.resize_with(field_count, Field::default);
        Self {
            fields,
            row_count: 0,
        }
    }

    /// Counts a row; `None` is NULL.
    pub(in crate::schema) fn add_row<'a>(
        &mut self,
        row: impl Iterator<Item = Option<Cow<'a, str>>>,
    ) {
        self.row_count += 1;
        for (field, value) in self.fields.iter_mut().zip(row) {
            if let Some(value) = value {
                field.add(&value);
            }
        }
    }

    /// Tells a column what one field's values say of it. Whatever values are kept take from `bytes_left`, and are left out
    /// when nothing is left.
    pub(in crate::schema) fn tell(
        &mut self,
        field: usize,
        column: &mut Column,
        bytes_left: &mut usize,
    ) {
        if self.row_count == 0 {
            return;
        }
        let field = std::mem::take(&mut self.fields[field]);
        let counts = &field.counts;
        let stats = match &mut column.stats {
            Some(known) => known,
            none => {
                let mut told = field.stats(column.class, self.row_count);
                let bytes: usize = told.values().map(str::len).sum();
                match bytes_left.checked_sub(bytes) {
                    Some(left) => *bytes_left = left,
                    None => {
                        told.common_values.clear();
                        told.histogram.clear();
                    }
                }
                none.insert(told)
            }
        };
        if column.class != TypeClass::Text {
            return;
        }
        let known: HashSet<&str> = stats.values().collect();
        let mut others: Vec<&str> = counts
            .keys()
            .map(|value| &**value)
            .filter(|value| !value.is_empty() && !known.contains(value))
            .collect();
        others.sort_unstable();
        let fits = |value: &&str| {
            let left = bytes_left.checked_sub(value.len());
            *bytes_left = left.unwrap_or(0);
            left.is_some()
        };
        stats.other_values = others.into_iter().take_while(fits).map(Arc::from).collect();
    }
}

impl Field {
    fn add(&mut self, value: &str) {
        self.value_count += 1;
        if let Some(count) = self.counts.get_mut(value) {
            *count += 1;
        } else if self.counts.len() < DISTINCT_MAX && value.chars().count() <= VALUE_CHARS_MAX {
            self.counts.insert(value.into(), 1);
        } else {
            self.uncounted += 1;
        }
    }

    /// What ANALYZE would say. Repeated values are common values, most frequent first; of a column whose values hardly
    /// repeat some are its histogram, in order.
    fn stats(&self, class: TypeClass, row_count: usize) -> ColumnStats {
        let distinct = self.counts.len();
        let kept_max = match class {
            TypeClass::Text | TypeClass::Enum => TEXT_VALUES_MAX,
            _ => OTHER_VALUES_MAX,
        };
        let repeats = self.uncounted == 0 && distinct * 2 <= self.value_count;
        let (common_values, histogram) = if repeats && distinct <= kept_max {
            (self.most_common(), Vec::new())
        } else {
            (Vec::new(), self.spread(class, kept_max))
        };
        // Counts of at most `DISTINCT_MAX` are exact in an f32.
        ColumnStats {
            null_fraction: 1.0 - self.value_count as f32 / row_count as f32,
            distinct: match self.uncounted {
                0 if distinct == row_count => -1.0,
                0 => distinct as f32,
                _ => 0.0,
            },
            common_values,
            histogram,
            other_values: Arc::default(),
        }
    }

    fn most_common(&self) -> Vec<String> {
        let mut counted: Vec<(&str, u32)> = self.counts.iter().map(|(v, &n)| (&**v, n)).collect();
        counted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let value = |(value, _): (&str, u32)| value.to_owned();
        counted
            .into_iter()
            .filter(|(value, _)| !value.is_empty())
            .map(value)
            .collect()
    }

    /// At most `kept_max` values in order, evenly spaced, the first and the last included.
    fn spread(&self, class: TypeClass, kept_max: usize) -> Vec<String> {
        let mut values: Vec<&str> = self.counts.keys().map(|v| &**v).collect();
        values.retain(|value| !value.is_empty());
        match class {
            TypeClass::Integer | TypeClass::Decimal => {
                let number = |value: &str| value.parse::<f64>().unwrap_or(f64::NAN);
                values.sort_by(|a, b| number(a).total_cmp(&number(b)));
            }
            // ISO dates and timestamps sort as text.
            _ => values.sort_unstable(),
        }
        let last = values.len().saturating_sub(1);
        let kept = values.len().min(kept_max);
        (0..kept)
            .map(|i| values[if kept > 1 { i * last / (kept - 1) } else { 0 }].to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(class: TypeClass, rows: &[Option<&str>], known: Option<ColumnStats>) -> ColumnStats {
        let mut values = Values::of(1);
        for row in rows {
            values.add_row(std::iter::once(row.map(Cow::Borrowed)));
        }
        let mut column = Column {
            class,
            stats: known,
            ..Column::default()
        };
        values.tell(0, &mut column, &mut 1_000_000);
        column.stats.unwrap()
    }

    #[test]
    fn repeated_values_are_common_and_others_a_histogram() {
        let rows = ["b", "a", "b", "b", "a", "c"].map(Some);
        let rows = [&rows[..], &[None, None]].concat();
        let stats = told(TypeClass::Text, &rows, None);
        assert_eq!(stats.common_values, ["b", "a", "c"]);
        assert!(stats.histogram.is_empty() && stats.other_values.is_empty());
        assert!((stats.null_fraction - 0.25).abs() < 0.001);
        assert_eq!(stats.distinct, 3.0);

        let names: Vec<String> = (0..500).map(|i| format!("name {i:03}")).collect();
        let rows: Vec<Option<&str>> = names.iter().map(|n| Some(&**n)).collect();
        let stats = told(TypeClass::Text, &rows, None);
        assert!(stats.common_values.is_empty());
        assert_eq!(stats.histogram.len(), TEXT_VALUES_MAX);
        assert!(stats.histogram.is_sorted());
        assert_eq!(stats.other_values.len(), 400);
        assert_eq!(stats.distinct, -1.0, "unique");
    }

    #[test]
    fn numbers_are_in_their_own_order() {
        let numbers: Vec<String> = (0..100).map(|i| (i * 3).to_string()).collect();
        let rows: Vec<Option<&str>> = numbers.iter().map(|n| Some(&**n)).collect();
        let stats = told(TypeClass::Integer, &rows, None);
        assert_eq!(stats.histogram.len(), OTHER_VALUES_MAX);
        assert_eq!(stats.histogram.first().unwrap(), "0");
        assert_eq!(stats.histogram.last().unwrap(), "297");
        assert!(stats.other_values.is_empty());
    }

    #[test]
    fn statistics_stay_and_get_what_they_left_out() {
        let known = ColumnStats {
            distinct: 3.0,
            common_values: vec!["a".into()],
            histogram: vec!["b".into()],
            ..ColumnStats::default()
        };
        let rows = ["a", "a", "b", "c", ""].map(Some);
        let stats = told(TypeClass::Text, &rows, Some(known));
        assert_eq!(stats.common_values, ["a"]);
        let others: Vec<&str> = stats.other_values.iter().map(|v| &**v).collect();
        assert_eq!(others, ["c"]);
    }

    #[test]
    fn values_stop_where_the_bytes_do() {
        let mut values = Values::of(1);
        for value in ["aaaa", "bbbb", "cccc"] {
            values.add_row(std::iter::once(Some(Cow::Borrowed(value))));
        }
        let mut column = Column {
            class: TypeClass::Text,
            stats: Some(ColumnStats::default()),
            ..Column::default()
        };
        let mut bytes_left = 10;
        values.tell(0, &mut column, &mut bytes_left);
        assert_eq!(column.stats.unwrap().other_values.len(), 2);
        assert_eq!(bytes_left, 0);

        // What stands for statistics counts as well.
        let mut values = Values::of(1);
        values.add_row(std::iter::once(Some(Cow::Borrowed("aaaa"))));
        let mut column = Column {
            class: TypeClass::Text,
            ..Column::default()
        };
        values.tell(0, &mut column, &mut 3);
        let stats = column.stats.unwrap();
        assert_eq!(stats.values().count(), 0);
        assert_eq!(stats.distinct, -1.0, "how many there are is no value");
    }
}
