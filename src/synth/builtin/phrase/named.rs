//! Rows by their name: "named Alice".

use crate::schema::snapshot::ColumnId;
use crate::synth::builtin::query::{Comparison, Expr, Predicate};
use crate::synth::builtin::sketch::Attribute;

use super::compose::Composer;
use super::frame::{Frame, Place, Site};
use super::narrow::Predicates;
use super::resolve::Located;
use super::tree::Cond;

impl Composer<'_> {
    /// The column that rows are named by.
    pub(super) fn name_of(&mut self, owner: Place) -> Option<Located> {
        let column = *self.domain.roles[owner.relation.0].display.first()?;
        self.score -= 0.2;
        Some(Located {
            id: ColumnId {
                relation: owner.relation,
                column,
            },
            place: owner,
        })
    }

    pub(super) fn named(
        &mut self,
        frame: &mut Frame,
        site: &Site,
        owner: Place,
        attribute: Option<Attribute>,
        text: &str,
        cond: &Cond,
    ) -> Option<Predicates> {
        let display = self.domain.roles[owner.relation.0].display.clone();
        if let (None, [first, last], Some((a, b))) =
            (attribute, &display[..], text.rsplit_once(' '))
        {
            let parts = [(*first, a.to_owned()), (*last, b.to_owned())];
            return self.at(frame, site, owner, owner, cond, |_, _, end| {
                Some(
                    parts
                        .into_iter()
                        .map(|(column, text)| {
                            let id = ColumnId {
                                relation: owner.relation,
                                column,
                            };
                            let left = Expr::Lower(Box::new(Expr::Column(end.source, id)));
                            let right = Expr::Text(text.to_lowercase());
                            Predicate::Compare(left, Comparison::Equal, right)
                        })
                        .collect(),
                )
            });
        }
        let column = match attribute {
            Some(a) => self.column(a, owner, |c, id| c.is_text(id).then_some(0.0))?,
            None => self.name_of(owner)?,
        };
        let text = text.to_lowercase();
        self.on(frame, site, owner, column, cond, |_, expr| {
            let left = Expr::Lower(Box::new(expr));
            Some(vec![Predicate::Compare(
                left,
                Comparison::Equal,
                Expr::Text(text),
            )])
        })
    }
}
