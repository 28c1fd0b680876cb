//! Black-box tests over real sockets and a real PostgreSQL.

fn main() {}
