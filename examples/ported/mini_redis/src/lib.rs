//! A server in the manner of Redis, as somebody writes it for tokio: `PING`, `GET`, `SET` with `EX` and `PX`, `DEL`,
//! `PUBLISH`, `SUBSCRIBE`, `UNSUBSCRIBE` and `QUIT`, a limit to the number of connections, and a shutdown with grace.
//! And a client.
//!
//! ```text
//! cargo run -p mini-redis --bin mini-redis-server [ADDRESS]
//! cargo run -p mini-redis --bin mini-redis-cli ADDRESS set greeting hello ex 10
//! redis-cli -p 6380 get greeting
//!
//! cargo test -p mini-redis                          # on this runtime
//! examples/ported/on_tokio test -p mini-redis       # the same sources on tokio
//! ```
//!
//! | | |
//! |---|---|
//! | [`frame`] | the protocol, RESP, as a codec of tokio-util |
//! | [`command`] | what a client may ask for |
//! | [`store`] | keys and values, and when they expire |
//! | [`channels`] | who has subscribed to what |
//! | [`connection`] | one client's, from the server's side |
//! | [`server`] | accepts them, limits them, and ends them |
//! | [`client`] | the other side |

pub mod channels;
pub mod client;
pub mod command;
pub mod connection;
pub mod frame;
pub mod server;
pub mod store;

pub use client::Client;
pub use server::{Options, Server};
