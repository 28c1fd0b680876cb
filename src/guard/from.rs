//! FROM items and joins.

use sqlparser::ast::{
    Function, FunctionArg, FunctionArgumentList, FunctionArguments, Join, JoinConstraint,
    JoinOperator, ObjectName, TableAlias, TableFactor, TableFunctionArgs, TableSample,
    TableSampleKind, TableSampleMethod, TableSampleModifier, TableSampleQuantity, TableWithJoins,
};

use crate::guard::query::{absent, empty, output_names, unknown};
use crate::guard::scope::{Columns, Proof, Proved, folded};

impl Proof<'_> {
    pub(in crate::guard) fn table_with_joins(&mut self, item: &mut TableWithJoins) -> Proved {
        let TableWithJoins { relation, joins } = item;
        self.table_factor(relation)?;
        for join in joins {
            let Join {
                relation,
                global,
                join_operator,
            } = join;
            if *global {
                return Err(unknown("GLOBAL JOIN"));
            }
            self.table_factor(relation)?;
            self.join(join_operator)?;
        }
        Ok(())
    }

    fn join(&mut self, operator: &mut JoinOperator) -> Proved {
        match operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::CrossJoin(constraint) => match constraint {
                JoinConstraint::On(condition) => self.expr(condition),
                JoinConstraint::Using(_) | JoinConstraint::Natural => self.implied(&["="]),
                JoinConstraint::None => Ok(()),
            },
            _ => Err(unknown("this kind of join")),
        }
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Proved {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                empty(with_hints, "table hints")?;
                absent(version, "a table version")?;
                empty(partitions, "PARTITION in FROM")?;
                absent(json_path, "a path after a table")?;
                empty(index_hints, "index hints")?;
                match args {
                    Some(TableFunctionArgs { args, settings }) => {
                        absent(settings, "SETTINGS")?;
                        absent(sample, "a sample of a function")?;
                        self.table_function(name, args, alias.as_mut())
                    }
                    None if *with_ordinality => Err(unknown("WITH ORDINALITY after a table")),
                    None => self.table(name, alias.as_mut(), sample.as_mut()),
                }
            }
            TableFactor::Function {
                lateral: _,
                name,
                args,
                with_ordinality: _,
                alias,
            } => self.table_function(name, args, alias.as_mut()),
            TableFactor::Derived {
                lateral: _,
                subquery,
                alias,
                sample,
            } => {
                absent(sample, "a sample of a subquery")?;
                self.query(subquery)?;
                let columns = output_names(subquery);
                self.bind_alias(alias.as_mut(), columns)
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset,
                with_offset_alias,
                with_ordinality: _,
            } => {
                if *with_offset || with_offset_alias.is_some() {
                    return Err(unknown("UNNEST WITH OFFSET"));
                }
                self.builtin("unnest")?;
                self.exprs(array_exprs)?;
                self.bind_alias(alias.as_mut(), Columns::Unknown)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                self.table_with_joins(table_with_joins)?;
                self.bind_alias(alias.as_mut(), Columns::Unknown)
            }
            _ => Err(unknown("this kind of FROM item")),
        }
    }

    fn table(
        &mut self,
        name: &mut ObjectName,
        alias: Option<&mut TableAlias>,
        sample: Option<&mut TableSampleKind>,
    ) -> Proved {
        let (own_name, columns) = self.relation(name)?;
        if let Some(sample) = sample {
            self.sample(sample)?;
        }
        match alias {
            Some(alias) => self.bind_alias(Some(alias), columns),
            None => {
                self.bind(own_name, columns);
                Ok(())
            }
        }
    }

    fn table_function(
        &mut self,
        name: &ObjectName,
        args: &mut Vec<FunctionArg>,
        alias: Option<&mut TableAlias>,
    ) -> Proved {
        let mut call = Function {
            name: name.clone(),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(FunctionArgumentList {
                duplicate_treatment: None,
                args: std::mem::take(args),
                clauses: Vec::new(),
            }),
            within_group: Vec::new(),
            filter: None,
            null_treatment: None,
            over: None,
        };
        let proved = self.function(&mut call);
        if let FunctionArguments::List(list) = call.args {
            *args = list.args;
        }
        proved?;
        self.bind_alias(alias, Columns::Unknown)
    }

    /// Binds an alias, with the column names that it gives added to those known.
    fn bind_alias(&mut self, alias: Option<&mut TableAlias>, columns: Columns) -> Proved {
        let Some(alias) = alias else { return Ok(()) };
        self.alias(alias)?;
        let columns = columns.with_aliases(alias);
        self.bind(folded(&alias.name), columns);
        Ok(())
    }

    fn sample(&mut self, sample: &mut TableSampleKind) -> Proved {
        let (TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) =
            sample;
        let TableSample {
            modifier,
            name,
            quantity,
            seed,
            bucket,
            offset,
        } = &mut **sample;
        absent(bucket, "a sample by BUCKET")?;
        absent(offset, "a sample with OFFSET")?;
        match (&modifier, &name) {
            (
                TableSampleModifier::TableSample,
                Some(TableSampleMethod::Bernoulli | TableSampleMethod::System),
            ) => {}
            _ => return Err(unknown("a sample other than BERNOULLI or SYSTEM")),
        }
        if let Some(TableSampleQuantity {
            parenthesized: _,
            value,
            unit,
        }) = quantity
        {
            absent(unit, "a unit in a sample")?;
            self.expr(value)?;
        }
        if let Some(seed) = seed {
            self.literal(&mut seed.value.value)?;
        }
        Ok(())
    }
}
