//! Black-box tests: the real binary, over real sockets, in front of a real PostgreSQL.

mod harness;
mod support;
