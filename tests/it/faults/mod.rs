//! What goes wrong at one client, or behind the proxy, stays there: the right error, and nobody else notices.

mod broken_wire;
mod cancels;
mod configuration;
mod disconnects;
mod flow;
mod leaks;
mod logins;
mod malformed;
mod memory;
mod shutdown;
mod upstream;
