//! tokio-postgres against a real server, through a small pool of connections.

use futures_util::future::poll_fn;
use rt::net::TcpStream;
use rt::sync::{Semaphore, mpsc};
use rt_ecosystem::{POSTGRES_USER, Server, all, assert_no_tokio, ended, soon, with_server};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

/// A client, whose connection has a task of its own.
async fn connect(address: SocketAddr) -> Client {
    assert_no_tokio();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut config = Config::new();
    config.user(POSTGRES_USER).dbname(POSTGRES_USER);
    let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
    drop(rt::spawn(async move { ended("a connection to PostgreSQL", connection.await) }));
    client
}

/// Connections that are made beforehand, and borrowed one at a time.
struct Pool {
    idle: Mutex<Vec<Client>>,
    /// A permit for each that is idle.
    permits: Semaphore,
}

/// Goes back to its pool when dropped.
struct Borrowed<'a> {
    pool: &'a Pool,
    client: Option<Client>,
}

impl Pool {
    async fn connect(address: SocketAddr, connections: usize) -> Pool {
        let mut idle = Vec::new();
        for _ in 0..connections {
            idle.push(connect(address).await);
        }
        Pool { idle: Mutex::new(idle), permits: Semaphore::new(connections) }
    }

    async fn borrow(&self) -> Borrowed<'_> {
        self.permits.acquire().await.unwrap().forget();
        Borrowed { pool: self, client: self.idle.lock().unwrap().pop() }
    }
}

impl Deref for Borrowed<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().expect("there is an idle client for each permit")
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap().extend(self.client.take());
        self.pool.permits.add_permits(1);
    }
}

#[test]
fn two_hundred_tasks_share_four_connections() {
    with_server(Server::postgres, |address| async move {
        let pool = Arc::new(Pool::connect(address, 4).await);
        let queries = (0..200_i32).map(|n| {
            let pool = pool.clone();
            rt::spawn(async move {
                let client = pool.borrow().await;
                let row = client.query_one("SELECT $1::int4 * 2, repeat('x', $1::int4)", &[&n]).await.unwrap();
                assert_eq!(row.get::<_, i32>(0), 2 * n);
                assert_eq!(row.get::<_, &str>(1).len(), n as usize);
            })
        });
        all(queries.collect::<Vec<_>>()).await;
        assert_eq!(pool.permits.available_permits(), 4);
    });
}

#[test]
fn queries_of_one_connection_are_pipelined() {
    with_server(Server::postgres, |address| async move {
        let client = Arc::new(connect(address).await);
        let statement = client.prepare("SELECT $1::int4 + 1").await.unwrap();
        let queries = (0..200_i32).map(|n| {
            let (client, statement) = (client.clone(), statement.clone());
            rt::spawn(async move { client.query_one(&statement, &[&n]).await.unwrap().get::<_, i32>(0) - n })
        });
        assert!(all(queries.collect::<Vec<_>>()).await.iter().all(|difference| *difference == 1));
    });
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    with_server(Server::postgres, |address| async move {
        let mut client = connect(address).await;
        client.batch_execute("CREATE TEMPORARY TABLE things (name text UNIQUE)").await.unwrap();
        let insert = "INSERT INTO things VALUES ($1)";
        let transaction = client.transaction().await.unwrap();
        transaction.execute(insert, &[&"kept"]).await.unwrap();
        transaction.commit().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction.execute(insert, &[&"dropped"]).await.unwrap();
        drop(transaction);
        let error = client.execute(insert, &[&"kept"]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
        let rows = client.query("SELECT name FROM things", &[]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), ["kept"]);
    });
}

#[test]
fn a_query_that_takes_too_long_is_cancelled_on_the_server() {
    with_server(Server::postgres, |address| async move {
        let client = connect(address).await;
        let cancel = client.cancel_token();
        let query = rt::spawn(async move { client.simple_query("SELECT pg_sleep(3600)").await });
        // Until the query is there, there is nothing to cancel.
        let watcher = connect(address).await;
        let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%3600%' AND wait_event = 'PgSleep'";
        while watcher.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        let stream = TcpStream::connect(address).await.unwrap();
        cancel.cancel_query_raw(stream, NoTls).await.unwrap();
        let error = soon(query).await.unwrap().unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    });
}

#[test]
fn a_notification_reaches_who_listens() {
    with_server(Server::postgres, |address| async move {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut config = Config::new();
        config.user(POSTGRES_USER).dbname(POSTGRES_USER);
        let (listener, mut connection) = config.connect_raw(stream, NoTls).await.unwrap();
        let (sender, mut notices) = mpsc::unbounded_channel();
        drop(rt::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notice) = message.unwrap() {
                    sender.send(notice.payload().to_owned()).unwrap();
                }
            }
        }));
        listener.batch_execute("LISTEN news").await.unwrap();
        let other = connect(address).await;
        for n in 0..10 {
            other.execute("SELECT pg_notify('news', $1)", &[&format!("number {n}")]).await.unwrap();
        }
        for n in 0..10 {
            assert_eq!(soon(notices.recv()).await.unwrap(), format!("number {n}"));
        }
    });
}
