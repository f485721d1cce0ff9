//! The connection: asks the program for what is on the screen, again and again, and looks for it when it has gone.
//!
//! A task of a runtime of this program's own. It is told what to ask for by [`Order`]s, and tells what it has heard as [`News`].

use crate::find::Target;
use crate::protocol::{Dump, Hello, Listing, Metrics, PROTOCOL, Trace};
use rt::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use rt::net::UnixStream;
use rt::sync::mpsc::UnboundedReceiver;
use rt::time::{Instant, sleep, timeout, timeout_at};
use serde::de::DeserializeOwned;
use std::io;
use std::time::Duration;

/// A program that is stopped in a debugger does not answer. One that is only stuck does.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a dump or a trace: some megabytes, of a program that is busy.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks for a program that is not there.
const LOOK: Duration = Duration::from_millis(300);

/// What the screen shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// The request for the list.
    pub(crate) list: String,
    pub(crate) every: Duration,
    pub(crate) is_paused: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    Show(View),
    Dump {
        each: bool,
    },
    /// To the flight recorder: a request.
    Trace(String),
}

/// What has been heard.
#[derive(Debug)]
pub(crate) enum News {
    Connected(Box<Hello>),
    Frame(Box<Frame>),
    Dumped {
        each: bool,
        dump: Dump,
    },
    Traced(Trace),
    /// A request was refused.
    Refused(String),
    /// There is no connection, and why.
    Lost(String),
}

/// One picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) metrics: Metrics,
    pub(crate) listing: Listing,
}

/// Goes on until nobody orders or listens any more.
pub(crate) async fn watch(
    mut target: Target,
    mut view: View,
    mut orders: UnboundedReceiver<Order>,
    tell: impl Fn(News) -> bool,
) {
    loop {
        let lost = match connect(&mut target).await {
            Ok((mut connection, hello)) => {
                if !tell(News::Connected(Box::new(hello))) {
                    return;
                }
                match follow(&mut connection, &mut view, &mut orders, &tell).await {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        if !tell(News::Lost(lost)) {
            return;
        }
        // Orders are taken meanwhile, so that what is shown then is what was wanted last.
        let again = Instant::now() + LOOK;
        while let Ok(order) = timeout_at(again, orders.recv()).await {
            match order {
                Some(Order::Show(wanted)) => view = wanted,
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// Shows what is wanted, until nobody wants anything any more.
async fn follow(
    connection: &mut Connection,
    view: &mut View,
    orders: &mut UnboundedReceiver<Order>,
    tell: &impl Fn(News) -> bool,
) -> io::Result<()> {
    let mut next = Instant::now();
    loop {
        match timeout_at(next, orders.recv()).await {
            // At once, so that a key is seen to do something.
            Ok(Some(Order::Show(wanted))) => {
                let must_wait = wanted.is_paused && wanted.list == view.list;
                *view = wanted;
                if must_wait {
                    continue;
                }
            }
            Ok(Some(Order::Dump { each })) => {
                let request = if each { "dump each" } else { "dump" };
                let news = match connection.ask(request).await? {
                    Ok(dump) => News::Dumped { each, dump },
                    Err(refusal) => News::Refused(refusal),
                };
                if !tell(news) {
                    return Ok(());
                }
                continue;
            }
            Ok(Some(Order::Trace(request))) => {
                let news = match connection.ask(&request).await? {
                    Ok(trace) => News::Traced(trace),
                    Err(refusal) => News::Refused(refusal),
                };
                if !tell(news) {
                    return Ok(());
                }
                continue;
            }
            Ok(None) => return Ok(()),
            Err(_) if view.is_paused => {
                next = Instant::now() + view.every;
                // To notice that the program has gone.
                connection.ask::<Hello>("hello").await?.map_err(io::Error::other)?;
                continue;
            }
            Err(_) => {}
        }
        let news = match frame(connection, &view.list).await? {
            Ok(frame) => News::Frame(Box::new(frame)),
            Err(refusal) => News::Refused(refusal),
        };
        if !tell(news) {
            return Ok(());
        }
        next = Instant::now() + view.every;
    }
}

/// A connection to the program, once it is there.
pub(crate) async fn connect(target: &mut Target) -> io::Result<(Connection, Hello)> {
    let path = target.find().ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("waits for {target}: a program that calls `serve_insight`"))
    })?;
    let mut connection = Connection(BufReader::new(UnixStream::connect(&path).await?));
    let hello: Hello = connection.ask("hello").await?.map_err(io::Error::other)?;
    if hello.protocol != PROTOCOL {
        let theirs = hello.protocol;
        return Err(io::Error::other(format!("the program speaks protocol {theirs}, and this one {PROTOCOL}")));
    }
    target.settle(&path);
    Ok((connection, hello))
}

/// One picture.
pub(crate) async fn frame(connection: &mut Connection, list: &str) -> io::Result<Result<Frame, String>> {
    let metrics = match connection.ask("metrics").await? {
        Ok(metrics) => metrics,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(connection.ask(list).await?.map(|listing| Frame { metrics, listing }))
}

pub(crate) struct Connection(BufReader<UnixStream>);

impl Connection {
    /// Asks, and waits for the reply; or for the program's refusal.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, request: &str) -> io::Result<Result<T, String>> {
        let answer = async {
            // It may have told already why it hangs up.
            let _ = self.0.get_mut().write_all(format!("{request}\n").as_bytes()).await;
            let mut line = String::new();
            match self.0.read_line(&mut line).await? {
                0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the program has gone")),
                _ => Ok(line),
            }
        };
        let is_long = request.starts_with("dump") || request.starts_with("trace");
        let patience = if is_long { LONG_PATIENCE } else { PATIENCE };
        let line = timeout(patience, answer).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the program does not answer: it may be stopped"))
        })?;
        let refusal: Refusal = serde_json::from_str(&line)?;
        match refusal.error {
            Some(error) => Ok(Err(error)),
            None => Ok(Ok(serde_json::from_str(&line)?)),
        }
    }
}

#[derive(serde::Deserialize)]
struct Refusal {
    error: Option<String>,
}

/// Waits for a program to come, for at most so long.
pub(crate) async fn connect_within(target: &mut Target, patience: Duration) -> io::Result<(Connection, Hello)> {
    let until = Instant::now() + patience;
    loop {
        match connect(target).await {
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(LOOK).await,
            connected => return connected,
        }
    }
}
