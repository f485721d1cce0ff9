//! sqlx with its `runtime-tokio`, against a real PostgreSQL, in plain tasks of this runtime.

use rt_ecosystem::{POSTGRES_USER, Server, all, soon, with_server};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use std::net::SocketAddr;
use std::time::Duration;

async fn connect(address: SocketAddr, connections: u32) -> PgPool {
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(address.port());
    let options = options.username(POSTGRES_USER).database(POSTGRES_USER);
    PgPoolOptions::new().max_connections(connections).connect_with(options).await.unwrap()
}

#[test]
fn two_hundred_tasks_share_a_pool() {
    with_server(Server::postgres, |address| async move {
        let pool = connect(address, 4).await;
        let queries = (0..200_i32).map(|n| {
            let pool = pool.clone();
            rt::spawn(async move {
                let (double, text): (i32, String) =
                    sqlx::query_as("SELECT $1 * 2, repeat('x', $1)").bind(n).fetch_one(&pool).await.unwrap();
                assert_eq!((double, text.len()), (2 * n, n as usize));
            })
        });
        all(queries.collect::<Vec<_>>()).await;
        assert!(pool.size() <= 4);
        pool.close().await;
    });
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    with_server(Server::postgres, |address| async move {
        let pool = connect(address, 1).await;
        sqlx::query("CREATE TEMPORARY TABLE things (name text)").execute(&pool).await.unwrap();
        let insert = || sqlx::query("INSERT INTO things VALUES ($1)");
        let mut transaction = pool.begin().await.unwrap();
        insert().bind("kept").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let mut transaction = pool.begin().await.unwrap();
        insert().bind("dropped").execute(&mut *transaction).await.unwrap();
        drop(transaction);
        let names: Vec<String> = sqlx::query_scalar("SELECT name FROM things").fetch_all(&pool).await.unwrap();
        assert_eq!(names, ["kept"]);
        pool.close().await;
    });
}

#[test]
fn who_waits_too_long_for_a_connection_is_told_so() {
    with_server(Server::postgres, |address| async move {
        let pool = connect(address, 1).await;
        let held = pool.acquire().await.unwrap();
        // A second pool with the same connection and less patience.
        let options =
            PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(20)).parent(pool.clone());
        let impatient = options.connect_lazy_with((*pool.connect_options()).clone());
        assert!(matches!(impatient.acquire().await, Err(sqlx::Error::PoolTimedOut)));
        drop(held);
        pool.close().await;
    });
}

#[test]
fn a_notification_reaches_who_listens() {
    with_server(Server::postgres, |address| async move {
        let pool = connect(address, 2).await;
        let mut listener = PgListener::connect_with(&pool).await.unwrap();
        listener.listen("news").await.unwrap();
        let sender = pool.clone();
        let sending = rt::spawn(async move {
            for n in 0..10 {
                let notify = sqlx::query("SELECT pg_notify('news', $1)").bind(format!("number {n}"));
                notify.execute(&sender).await.unwrap();
            }
        });
        for n in 0..10 {
            assert_eq!(soon(listener.recv()).await.unwrap().payload(), format!("number {n}"));
        }
        sending.await.unwrap();
        drop(listener);
        pool.close().await;
    });
}
