//! Proves that a Draft is one read-only query over what its caller may see, and makes it an Approved.
//!
//! Pure: no I/O, no clock, no configuration but the rules it is handed. Only this room can make an
//! [`approved::Approved`]; only `exec` takes one.
//!
//! The proof is a walk over the whole syntax tree that knows what it lets through: a node, a clause, an operator, a
//! type or a function that is not on the walk is refused. What is run is printed from the tree that was walked, so
//! that nothing the parser skipped (comments above all) reaches the server. `exec` fences the query as well and does
//! not trust this proof; this proof does not trust those fences.
//!
//! What it leaves to the fences: how much work a query is (`generate_series(1, 1e12)`, `repeat('x', 1e9)`, a cross
//! join), and whether a column exists.

pub mod approve;
pub mod approved;
pub mod rules;

mod expressions;
mod families;
mod from;
mod functions;
mod literals;
mod operators;
mod parse;
mod query;
mod relations;
mod scope;
mod spelling;
mod types;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod fixture;

pub use approve::approve;
