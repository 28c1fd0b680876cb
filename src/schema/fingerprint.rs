//! One number for all that a snapshot means.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::snapshot::{Relation, Snapshot};

/// Hashes everything but statistics and row estimates. Comparable within one run of the program only.
#[must_use]
pub fn fingerprint(snapshot: &Snapshot) -> u64 {
    let mut hasher = DefaultHasher::new();
    for relation in &snapshot.relations {
        hash_relation(relation, &mut hasher);
    }
    for key in &snapshot.foreign_keys {
        key.name.hash(&mut hasher);
        (key.from, &key.from_columns, key.to, &key.to_columns).hash(&mut hasher);
    }
    hash_functions(snapshot).hash(&mut hasher);
    snapshot.operators.hash(&mut hasher);
    hasher.finish()
}

fn hash_relation(relation: &Relation, hasher: &mut DefaultHasher) {
    relation.oid.hash(hasher);
    (&relation.schema, &relation.name, relation.kind).hash(hasher);
    relation.comment.hash(hasher);
    (&relation.primary_key, &relation.unique_keys).hash(hasher);
    relation.row_security.hash(hasher);
    relation.volatile_calls.hash(hasher);
    for column in &relation.columns {
        (column.attnum, &column.name, &column.type_name).hash(hasher);
        (column.class, column.not_null).hash(hasher);
        (&column.comment, &column.enum_labels).hash(hasher);
    }
}

/// Functions lie in a hash map, so their hashes are combined without regard to order.
fn hash_functions(snapshot: &Snapshot) -> u64 {
    snapshot
        .functions
        .iter()
        .map(|(name, function)| {
            let mut hasher = DefaultHasher::new();
            (name, &function.schema, function.volatility).hash(&mut hasher);
            function.security_definer.hash(&mut hasher);
            hasher.finish()
        })
        .fold(0, u64::wrapping_add)
}
