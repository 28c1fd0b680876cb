//! Measures that business knows by name and schemas seldom do, derived from what columns are for.

use crate::schema::snapshot::{ColumnId, RelationId, RelationKind, Snapshot};

use super::english::Business;
use super::roles::Roles;

/// What a measure is computed from, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Formula {
    Column(ColumnId),
    /// "quantity * unit_price"
    Product(ColumnId, ColumnId),
}

impl Formula {
    /// The relation whose rows it is computed on.
    pub(super) fn relation(self) -> RelationId {
        match self {
            Self::Column(id) | Self::Product(id, _) => id.relation,
        }
    }
}

/// What a measure can be in this schema, and how well it fits, 0 to 1.
pub(super) fn formulas(
    kind: Business,
    snapshot: &Snapshot,
    roles: &[Roles],
) -> Vec<(Formula, f32)> {
    let mut found = Vec::new();
    for (r, role) in roles.iter().enumerate() {
        let relation = RelationId(r);
        let column = |column| ColumnId { relation, column };
        // Views repeat what tables hold.
        let scale = match snapshot.relation(relation).kind {
            RelationKind::Table | RelationKind::ForeignTable => 1.0,
            _ => 0.6,
        };
        match kind {
            Business::Revenue => {
                if let Some(amount) = role.amount.filter(|_| role.sells) {
                    found.push((Formula::Column(column(amount)), 0.95 * scale));
                }
                if let (Some(quantity), Some(price)) = (role.quantity, role.unit_price) {
                    found.push((
                        Formula::Product(column(quantity), column(price)),
                        0.85 * scale,
                    ));
                }
                if let Some(amount) = role.amount.filter(|_| !role.sells) {
                    found.push((Formula::Column(column(amount)), 0.6 * scale));
                }
            }
            Business::Units => {
                if let Some(quantity) = role.quantity {
                    found.push((Formula::Column(column(quantity)), 0.95 * scale));
                }
            }
            Business::Amount => {
                if let Some(amount) = role.amount {
                    found.push((Formula::Column(column(amount)), 0.9 * scale));
                }
                if let (Some(quantity), Some(price)) = (role.quantity, role.unit_price) {
                    found.push((
                        Formula::Product(column(quantity), column(price)),
                        0.7 * scale,
                    ));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::builtin::{fixture, roles};

    #[test]
    fn revenue_is_found_whatever_its_columns_are_called() {
        let shop = fixture::shop();
        let roles = roles::roles(&shop);
        let best = formulas(Business::Revenue, &shop, &roles);
        let names: Vec<&str> = best
            .iter()
            .filter(|f| f.1 > 0.8)
            .map(|f| shop.relation(f.0.relation()).name.as_str())
            .collect();
        assert!(
            names.contains(&"orders") && names.contains(&"order_items"),
            "{names:?}"
        );
    }
}
