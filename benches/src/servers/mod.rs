//! Servers on `rt`, tokio and smol, and what they take beside a loop over epoll that does nothing else, which is the floor.
//!
//! Three processes take part. One has the server, with one runtime of [`WORKERS`] threads that its users would write like that; one
//! loads it, with one thread and epoll; and the one that was called starts them, tells them to go on, and asks the server what it
//! has used. Before that is asked for, every request has been answered and the server is quiet: what it has used is of the
//! requests that are counted.
//!
//! The load generator takes about as much of the machine as the server does. On few processors the latencies are then of three
//! threads that share them, and the kernel's choice of which one goes on has a part in the tail, for all peers alike. What the
//! generator itself has held up is told beside the figures.

mod calls;
mod child;
mod floor;
mod hosts;
mod load;
mod machine;
mod measure;
mod series;
mod service;
mod serving;
mod taking;

pub use load::{Order, load};
pub use measure::{LOAD_FACTOR, Measure, RATE_ROW, Rates, Row, Scale};
pub use series::Series;
pub use service::Service;
pub use serving::serve;

/// What the tables call the server without a runtime.
pub const FLOOR: &str = "floor";
/// Threads of each runtime.
pub const WORKERS: usize = 2;
/// Has a program that is called with it call [`serve`].
pub const SERVE: &str = "--serve";
/// Has a program that is called with it call [`load`].
pub const LOAD: &str = "--load";
