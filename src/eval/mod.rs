//! Scores question suites, and compares two scores: what every change of the asking side is steered by.
//!
//! A question goes the way of a client's ask, through the same pipeline, guard and plan, and its answer is judged by the
//! rows that it returns beside those of gold queries. Next: [`run`], then [`judge`].

pub mod database;
pub mod html;
pub mod judge;
pub mod outcome;
pub mod paired;
pub mod rows;
pub mod run;
pub mod score;
pub mod suite;
pub mod text;
pub mod value;
