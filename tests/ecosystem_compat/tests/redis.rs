//! The redis crate as its documentation has it: its own connections, timeouts and subscriptions.

use futures_util::StreamExt;
use redis::AsyncCommands;
use rt_ecosystem::{Server, all, soon, with_server};

#[test]
fn two_hundred_tasks_share_a_connection_that_the_crate_made() {
    with_server(Server::redis, |address| async move {
        let client = redis::Client::open(format!("redis://{address}/")).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let commands = (0..200_usize).map(|n| {
            let mut connection = connection.clone();
            rt::spawn(async move {
                connection.set::<_, _, ()>(format!("key {n}"), n).await.unwrap();
                connection.get::<_, usize>(format!("key {n}")).await.unwrap()
            })
        });
        assert_eq!(all(commands.collect::<Vec<_>>()).await, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_published_reaches_who_subscribed() {
    with_server(Server::redis, |address| async move {
        let client = redis::Client::open(format!("redis://{address}/")).unwrap();
        let mut subscriber = client.get_async_pubsub().await.unwrap();
        subscriber.subscribe("news").await.unwrap();
        let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
        publisher.publish::<_, _, usize>("news", "here").await.unwrap();
        let message = soon(subscriber.on_message().next()).await.unwrap();
        assert_eq!(message.get_payload::<String>().unwrap(), "here");
    });
}
