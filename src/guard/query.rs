//! The shape of a query: WITH, set operations, SELECT, VALUES, TABLE, and the clauses around them.

use sqlparser::ast::{
    Cte, Distinct, Expr, Fetch, GroupByExpr, LimitClause, NamedWindowExpr, Offset, OrderBy,
    OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetQuantifier, Table, TableAlias, Values,
    WildcardAdditionalOptions, With,
};

use crate::error::Refusal;
use crate::guard::rules::Rule;
use crate::guard::scope::{Columns, Proof, Proved, folded};

impl Proof<'_> {
    /// Proves a query and everything inside it; what it brings into scope is out of scope again afterwards.
    pub(in crate::guard) fn query(&mut self, query: &mut Query) -> Proved {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if let Some(lock) = locks.first() {
            return Err(Rule::Locks.refuse(format!("`{lock}` would lock rows.")));
        }
        absent(for_clause, "FOR XML or FOR JSON")?;
        absent(settings, "SETTINGS")?;
        absent(format_clause, "FORMAT")?;
        empty(pipe_operators, "|>")?;

        let outside = self.mark();
        if let Some(with) = with {
            self.with(with)?;
        }
        self.body(body)?;
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        if let Some(limit) = limit_clause {
            self.limit(limit)?;
        }
        if let Some(fetch) = fetch {
            self.fetch(fetch)?;
        }
        self.return_to(outside);
        Ok(())
    }

    /// A CTE sees those before it; in WITH RECURSIVE it sees all of its list, itself included.
    fn with(&mut self, with: &mut With) -> Proved {
        let With {
            with_token: _,
            recursive,
            cte_tables,
        } = with;
        if *recursive {
            for cte in cte_tables.iter() {
                self.add_cte(&cte.alias.name, cte_columns(cte));
            }
        }
        for cte in cte_tables {
            let columns = cte_columns(cte);
            let Cte {
                alias,
                query,
                from,
                materialized: _,
                closing_paren_token: _,
            } = cte;
            absent(from, "FROM after a common table expression")?;
            self.alias(alias)?;
            self.query(query)?;
            if !*recursive {
                self.add_cte(&alias.name, columns);
            }
        }
        Ok(())
    }

    /// What a FROM item binds stays in scope: ORDER BY may speak of it.
    fn body(&mut self, body: &mut SetExpr) -> Proved {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Table(table) => Err(table_command(table)),
            SetExpr::SetOperation {
                left,
                op: _,
                set_quantifier,
                right,
            } => {
                match set_quantifier {
                    SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                    other => return Err(unknown(&format!("{other}"))),
                }
                let outside = self.mark();
                self.body(left)?;
                self.return_to(outside);
                self.body(right)?;
                self.return_to(outside);
                Ok(())
            }
            SetExpr::Insert(_) => Err(writes("INSERT")),
            SetExpr::Update(_) => Err(writes("UPDATE")),
            SetExpr::Delete(_) => Err(writes("DELETE")),
            SetExpr::Merge(_) => Err(writes("MERGE")),
        }
    }

    fn select(&mut self, select: &mut Select) -> Proved {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        if let Some(into) = into {
            return Err(Rule::Into.refuse(format!("`{into}` would create a table.")));
        }
        if *flavor != SelectFlavor::Standard {
            return Err(unknown("a query that begins with FROM"));
        }
        // A planner hint is no comment: it changes what runs, and would be printed as it stands.
        empty(optimizer_hints, "a planner hint")?;
        absent(select_modifiers, "a SELECT modifier")?;
        absent(top, "TOP")?;
        absent(exclude, "EXCLUDE")?;
        empty(lateral_views, "LATERAL VIEW")?;
        absent(prewhere, "PREWHERE")?;
        empty(connect_by, "CONNECT BY")?;
        empty(cluster_by, "CLUSTER BY")?;
        empty(distribute_by, "DISTRIBUTE BY")?;
        empty(sort_by, "SORT BY")?;
        absent(qualify, "QUALIFY")?;
        absent(value_table_mode, "SELECT AS")?;

        for item in from {
            self.table_with_joins(item)?;
        }
        if let Some(Distinct::On(exprs)) = distinct {
            self.exprs(exprs)?;
        }
        for item in projection {
            self.select_item(item)?;
        }
        if let Some(condition) = selection {
            self.expr(condition)?;
        }
        self.group_by(group_by)?;
        if let Some(condition) = having {
            self.expr(condition)?;
        }
        for definition in named_window {
            match &mut definition.1 {
                NamedWindowExpr::NamedWindow(_) => {}
                NamedWindowExpr::WindowSpec(spec) => self.window(spec)?,
            }
        }
        Ok(())
    }

    fn select_item(&mut self, item: &mut SelectItem) -> Proved {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ } => {
                self.expr(expr)
            }
            SelectItem::ExprWithAliases { .. } => Err(unknown("several aliases for one column")),
            SelectItem::Wildcard(options) => plain_wildcard(options),
            SelectItem::QualifiedWildcard(kind, options) => {
                plain_wildcard(options)?;
                match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(_) => Ok(()),
                    SelectItemQualifiedWildcardKind::Expr(expr) => self.expr(expr),
                }
            }
        }
    }

    fn group_by(&mut self, group_by: &mut GroupByExpr) -> Proved {
        match group_by {
            GroupByExpr::All(_) => Err(unknown("GROUP BY ALL")),
            GroupByExpr::Expressions(exprs, modifiers) => {
                empty(modifiers, "GROUP BY ... WITH")?;
                self.exprs(exprs)
            }
        }
    }

    fn values(&mut self, values: &mut Values) -> Proved {
        let Values {
            explicit_row,
            value_keyword,
            rows,
        } = values;
        if *explicit_row || *value_keyword {
            return Err(unknown("VALUES with ROW"));
        }
        for row in rows {
            self.exprs(&mut row.content)?;
        }
        Ok(())
    }

    pub(in crate::guard) fn order_by(&mut self, order_by: &mut OrderBy) -> Proved {
        let OrderBy { kind, interpolate } = order_by;
        absent(interpolate, "INTERPOLATE")?;
        match kind {
            OrderByKind::All(_) => Err(unknown("ORDER BY ALL")),
            OrderByKind::Expressions(exprs) => self.order_by_exprs(exprs),
        }
    }

    pub(in crate::guard) fn order_by_exprs(&mut self, exprs: &mut [OrderByExpr]) -> Proved {
        for item in exprs {
            let OrderByExpr {
                expr,
                options: OrderByOptions { sort, .. },
                with_fill,
            } = item;
            absent(with_fill, "WITH FILL")?;
            if let Some(OrderBySort::Using(_)) = sort {
                return Err(unknown("ORDER BY ... USING"));
            }
            self.expr(expr)?;
        }
        Ok(())
    }

    fn limit(&mut self, limit: &mut LimitClause) -> Proved {
        match limit {
            LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            } => {
                empty(limit_by, "LIMIT ... BY")?;
                if let Some(limit) = limit {
                    self.expr(limit)?;
                }
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expr(value)?;
                }
                Ok(())
            }
            LimitClause::OffsetCommaLimit { .. } => {
                Err(unknown("LIMIT with a comma; write LIMIT and OFFSET"))
            }
        }
    }

    fn fetch(&mut self, fetch: &mut Fetch) -> Proved {
        let Fetch {
            with_ties: _,
            percent,
            quantity,
        } = fetch;
        if *percent {
            return Err(unknown("FETCH ... PERCENT"));
        }
        match quantity {
            Some(quantity) => self.expr(quantity),
            None => Ok(()),
        }
    }

    pub(in crate::guard) fn alias(&mut self, alias: &mut TableAlias) -> Proved {
        let TableAlias {
            explicit: _,
            name: _,
            columns,
            at,
        } = alias;
        absent(at, "AT in an alias")?;
        for column in columns {
            if let Some(data_type) = &column.data_type {
                self.data_type(data_type)?;
            }
        }
        Ok(())
    }
}

fn cte_columns(cte: &Cte) -> Columns {
    output_names(&cte.query).with_aliases(&cte.alias)
}

/// The output names of a query, as far as they can be read off it.
pub(in crate::guard) fn output_names(query: &Query) -> Columns {
    let mut body = &*query.body;
    loop {
        body = match body {
            SetExpr::SetOperation { left, .. } => left,
            SetExpr::Query(inner) => &inner.body,
            SetExpr::Select(select) => return Columns::Named(names(&select.projection)),
            _ => return Columns::Unknown,
        }
    }
}

fn names(projection: &[SelectItem]) -> Vec<String> {
    projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(folded(ident)),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
            _ => None,
        })
        .collect()
}

fn plain_wildcard(options: &WildcardAdditionalOptions) -> Proved {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    absent(opt_ilike, "* ILIKE")?;
    absent(opt_exclude, "* EXCLUDE")?;
    absent(opt_except, "* EXCEPT")?;
    absent(opt_replace, "* REPLACE")?;
    absent(opt_rename, "* RENAME")?;
    absent(opt_alias, "an alias for *")
}

/// `TABLE name` keeps its name as text without quotes, so that it can neither be resolved nor printed for certain.
fn table_command(table: &Table) -> Refusal {
    unknown(&format!("`{table}`; SELECT * FROM does the same"))
}

fn writes(verb: &str) -> Refusal {
    Rule::Writes.refuse(format!("{verb} writes; only reading is allowed."))
}

/// Refuses what the walk does not cover.
pub(in crate::guard) fn unknown(what: &str) -> Refusal {
    Rule::Syntax.refuse(format!("The guard does not let through {what}."))
}

pub(in crate::guard) fn absent<T>(clause: &Option<T>, name: &str) -> Proved {
    match clause {
        None => Ok(()),
        Some(_) => Err(unknown(name)),
    }
}

pub(in crate::guard) fn empty<T>(clause: &[T], name: &str) -> Proved {
    if clause.is_empty() {
        Ok(())
    } else {
        Err(unknown(name))
    }
}
