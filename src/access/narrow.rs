//! Narrows a snapshot to what a role may read and call.

use std::collections::HashMap;

use crate::schema::fingerprint::fingerprint;
use crate::schema::snapshot::{ForeignKey, Relation, RelationId, Snapshot};

use super::privileges::{Privileges, Readable};

/// Leaves out what the role may not read or call, and what would tell of it: keys over such columns, and the statistics
/// of relations with row security.
#[must_use]
pub fn narrow(snapshot: &Snapshot, privileges: &Privileges) -> Snapshot {
    let mut relations = Vec::new();
    let mut moves: HashMap<RelationId, Move> = HashMap::new();
    for (position, relation) in snapshot.relations.iter().enumerate() {
        let Some(readable) = privileges.relations.get(&relation.oid) else {
            continue;
        };
        let columns = new_positions(relation, readable);
        if columns.iter().all(Option::is_none) && !relation.columns.is_empty() {
            continue;
        }
        let to = RelationId(relations.len());
        relations.push(narrow_relation(relation, &columns));
        moves.insert(RelationId(position), Move { to, columns });
    }
    let foreign_keys = snapshot
        .foreign_keys
        .iter()
        .filter_map(|key| move_key(key, &moves))
        .collect();
    let mut narrowed = Snapshot {
        relations,
        foreign_keys,
        functions: snapshot.functions.with_others(
            privileges
                .functions
                .iter()
                .map(|((schema, name), left)| (&**schema, &**name, left.as_ref())),
        ),
        // What an operator calls may not be the role's to call; that is the server's to say. It counts as long as it may
        // be meant.
        operators: snapshot
            .operators
            .iter()
            .filter(|o| o.schema.starts_with("pg_") || privileges.schemas.contains(&o.schema))
            .cloned()
            .collect(),
        fingerprint: 0,
    };
    narrowed.fingerprint = fingerprint(&narrowed);
    narrowed
}

/// Where a relation went, and each of its columns; `None` for one that is left out.
struct Move {
    to: RelationId,
    columns: Vec<Option<usize>>,
}

fn new_positions(relation: &Relation, readable: &Readable) -> Vec<Option<usize>> {
    let mut next = 0;
    relation
        .columns
        .iter()
        .map(|column| {
            let kept = match readable {
                Readable::All => true,
                Readable::Columns(attnums) => attnums.contains(&column.attnum),
            };
            kept.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

fn narrow_relation(relation: &Relation, columns: &[Option<usize>]) -> Relation {
    let mut kept: Vec<_> = relation
        .columns
        .iter()
        .zip(columns)
        .filter(|(_, to)| to.is_some())
        .map(|(column, _)| column.clone())
        .collect();
    if relation.row_security {
        for column in &mut kept {
            column.stats = None;
        }
    }
    Relation {
        oid: relation.oid,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        kind: relation.kind,
        comment: relation.comment.clone(),
        columns: kept,
        primary_key: moved(&relation.primary_key, columns).unwrap_or_default(),
        unique_keys: relation
            .unique_keys
            .iter()
            .filter_map(|key| moved(key, columns))
            .collect(),
        // How many rows there are is told by the planner to whoever may run EXPLAIN, so with row security it is no
        // secret; it is an estimate over all rows though, and misleads whoever sees a few of them.
        row_estimate: relation.row_estimate.filter(|_| !relation.row_security),
        row_security: relation.row_security,
        volatile_calls: relation.volatile_calls.clone(),
    }
}

fn move_key(key: &ForeignKey, moves: &HashMap<RelationId, Move>) -> Option<ForeignKey> {
    let from = moves.get(&key.from)?;
    let to = moves.get(&key.to)?;
    Some(ForeignKey {
        name: key.name.clone(),
        from: from.to,
        from_columns: moved(&key.from_columns, &from.columns)?,
        to: to.to,
        to_columns: moved(&key.to_columns, &to.columns)?,
    })
}

/// The new positions of a key's columns; `None` when one of them is left out.
fn moved(key: &[usize], columns: &[Option<usize>]) -> Option<Vec<usize>> {
    key.iter().map(|&position| columns[position]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::snapshot::{Column, ColumnStats, Function, Operator, Volatility};

    /// Relations named by letters, with columns 1, 2, 3; `c` references `a` and `b`.
    fn snapshot() -> Snapshot {
        let relation = |oid: u32, name: &str| Relation {
            oid,
            name: name.into(),
            schema: "s".into(),
            columns: (1..=3)
                .map(|attnum| Column {
                    attnum,
                    name: format!("{name}{attnum}"),
                    stats: Some(ColumnStats::default()),
                    ..Column::default()
                })
                .collect(),
            primary_key: vec![0],
            unique_keys: vec![vec![1], vec![1, 2]],
            row_estimate: Some(7.0),
            ..Relation::default()
        };
        let key = |name: &str, to, from_columns: &[usize], to_columns: &[usize]| ForeignKey {
            name: name.into(),
            from: RelationId(2),
            from_columns: from_columns.to_vec(),
            to: RelationId(to),
            to_columns: to_columns.to_vec(),
        };
        Snapshot {
            relations: vec![relation(10, "a"), relation(11, "b"), relation(12, "c")],
            foreign_keys: vec![key("ca", 0, &[1], &[0]), key("cb", 1, &[1, 2], &[1, 2])],
            ..Snapshot::default()
        }
    }

    fn privileges(readable: &[(u32, Readable)]) -> Privileges {
        Privileges {
            relations: readable.iter().cloned().collect(),
            ..Privileges::default()
        }
    }

    #[test]
    fn relations_columns_and_keys_that_may_not_be_read_are_left_out() {
        let narrowed = narrow(
            &snapshot(),
            &privileges(&[
                (11, Readable::Columns(vec![2, 3])),
                (12, Readable::All),
                (99, Readable::All),
            ]),
        );
        let names: Vec<&str> = narrowed.relations.iter().map(|r| &*r.name).collect();
        assert_eq!(names, ["b", "c"]);
        let b = &narrowed.relations[0];
        assert_eq!(b.columns.len(), 2);
        assert!(b.primary_key.is_empty());
        assert_eq!(b.unique_keys, [vec![0], vec![0, 1]]);
        let [key] = narrowed.foreign_keys.as_slice() else {
            panic!("{:?}", narrowed.foreign_keys);
        };
        assert_eq!((key.from, key.to), (RelationId(1), RelationId(0)));
        assert_eq!(
            (&*key.from_columns, &*key.to_columns),
            (&[1, 2][..], &[0, 1][..])
        );
    }

    #[test]
    fn row_security_hides_statistics() {
        let mut snapshot = snapshot();
        snapshot.relations[0].row_security = true;
        let all = privileges(&[10, 11, 12].map(|oid| (oid, Readable::All)));
        let narrowed = narrow(&snapshot, &all);
        let known = |relation: &Relation| relation.columns.iter().all(|c| c.stats.is_some());
        assert!(!known(&narrowed.relations[0]));
        assert_eq!(narrowed.relations[0].row_estimate, None);
        assert!(known(&narrowed.relations[1]));
    }

    #[test]
    fn functions_that_may_not_be_called_are_left_out() {
        let function = |volatility| Function {
            schema: "s".into(),
            volatility,
            security_definer: false,
        };
        let mut snapshot = snapshot();
        for name in ["open", "closed", "half"] {
            snapshot.functions.add(name, function(Volatility::Volatile));
        }
        let mut some = privileges(&[]);
        let of = |name: &str| ("s".to_owned(), name.to_owned());
        some.functions.insert(of("closed"), None);
        some.functions
            .insert(of("half"), Some(function(Volatility::Stable)));
        let narrowed = narrow(&snapshot, &some);
        let known = |name| narrowed.functions.named(name).to_vec();
        assert_eq!(known("open"), [function(Volatility::Volatile)]);
        assert_eq!(known("closed"), []);
        assert_eq!(known("half"), [function(Volatility::Stable)]);
        let whole = narrow(&snapshot, &privileges(&[]));
        assert_ne!(whole.fingerprint, narrowed.fingerprint);
    }

    #[test]
    fn operators_of_schemas_that_cannot_be_meant_are_left_out() {
        let mut snapshot = snapshot();
        snapshot.operators = ["s", "vault"]
            .map(|schema| Operator {
                symbol: "+".into(),
                schema: schema.into(),
                function: "f".into(),
                volatility: Volatility::Volatile,
                security_definer: false,
            })
            .to_vec();
        let mut some = privileges(&[]);
        some.schemas.push("s".to_owned());
        let narrowed = narrow(&snapshot, &some);
        assert_eq!(narrowed.operators, snapshot.operators[..1]);
    }

    #[test]
    fn different_views_have_different_fingerprints() {
        let all = privileges(&[10, 11, 12].map(|oid| (oid, Readable::All)));
        let some = privileges(&[(10, Readable::All)]);
        let (all, some) = (narrow(&snapshot(), &all), narrow(&snapshot(), &some));
        assert_ne!(all.fingerprint, some.fingerprint);
    }
}
