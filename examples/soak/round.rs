//! One round: all actors, and what they share.

use crate::actor;
use crate::books::{Books, Stage};
use crate::echo;
use crate::foreign::Foreigners;
use fastrand::Rng;
use rt::net::TcpListener;
use rt::runtime::Runtime;
use rt::sync::{Mutex, Semaphore};
use rt::task::Builder;
use rt::time::sleep;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the actors of a round share.
pub(crate) struct World {
    pub(crate) stage: Arc<Stage>,
    pub(crate) books: &'static Books,
    pub(crate) foreigners: Foreigners,
    /// Of the server.
    pub(crate) address: SocketAddr,
    pub(crate) permits: Semaphore,
    pub(crate) number: Mutex<u64>,
}

/// Runs one for so long.
///
/// # Errors
///
/// What an actor has found to be wrong.
pub(crate) fn run(runtime: &Runtime, stage: &Arc<Stage>, seed: u64, time: Duration) -> Result<(), String> {
    let mut random = Rng::with_seed(seed);
    stage.is_over.store(false, Ordering::Relaxed);
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let world = Arc::new(World {
            stage: stage.clone(),
            books: stage.books,
            foreigners: Foreigners::new(),
            address,
            permits: Semaphore::new(4),
            number: Mutex::new(0),
        });
        let server = rt::spawn(echo::serve(listener, stage.books));
        let actors: Vec<_> = (0..stage.slots.len())
            .map(|number| {
                let actor = actor::act(world.clone(), number, random.fork());
                Builder::new().name(&format!("actor-{number}")).spawn(actor).map_err(|error| error.to_string())
            })
            .collect::<Result<_, _>>()?;
        drop(world);
        sleep(time).await;
        stage.is_over.store(true, Ordering::Relaxed);
        for (number, actor) in actors.into_iter().enumerate() {
            if let Err(error) = actor.await {
                return Err(format!("actor-{number}: {error}"));
            }
        }
        server.abort();
        match server.await {
            Err(error) if error.is_cancelled() => Ok(()),
            other => Err(format!("the server has ended: {other:?}")),
        }
    })
}
