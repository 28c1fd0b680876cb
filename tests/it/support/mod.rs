//! What black-box tests stand on: a PostgreSQL of their own, the real `pgask` in front of it, and clients.

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod link;
pub(crate) mod model;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod stage;
