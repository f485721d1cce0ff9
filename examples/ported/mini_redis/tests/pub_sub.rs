//! Subscribers and publishers.

mod support;

use mini_redis::client::Message;
use mini_redis::frame::{Error, Frame};
use std::time::Duration;
use support::{Running, eventually, soon};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

fn message(channel: &'static str, content: impl ToString) -> Message {
    Message { channel: channel.into(), content: content.to_string().into() }
}

#[tokio::test]
async fn what_is_published_reaches_who_subscribed_and_nobody_else() {
    let server = Running::start().await;
    let mut publisher = server.client().await;
    let mut both = server.client().await.subscribe(["news", "weather"]).await.unwrap();
    let mut news = server.client().await.subscribe(["news"]).await.unwrap();
    assert_eq!(publisher.publish("news", "1").await.unwrap(), 2);
    assert_eq!(publisher.publish("weather", "2").await.unwrap(), 1);
    assert_eq!(publisher.publish("sport", "3").await.unwrap(), 0);
    assert_eq!(soon(both.next()).await.unwrap(), Some(message("news", 1)));
    assert_eq!(soon(both.next()).await.unwrap(), Some(message("weather", 2)));
    assert_eq!(soon(news.next()).await.unwrap(), Some(message("news", 1)));
    assert!(timeout(Duration::from_millis(20), news.next()).await.is_err());
}

#[tokio::test]
async fn who_has_unsubscribed_hears_no_more_and_may_ask_again() {
    let server = Running::start().await;
    let mut publisher = server.client().await;
    let mut subscriber = server.client().await.subscribe(["a", "b", "c"]).await.unwrap();
    // On its way before, and not lost.
    publisher.publish("a", "before").await.unwrap();
    subscriber.unsubscribe(["a"]).await.unwrap();
    assert_eq!(publisher.publish("a", "after").await.unwrap(), 0);
    assert_eq!(publisher.publish("b", "still").await.unwrap(), 1);
    assert_eq!(soon(subscriber.next()).await.unwrap(), Some(message("a", "before")));
    assert_eq!(soon(subscriber.next()).await.unwrap(), Some(message("b", "still")));
    assert_eq!(server.channels.len(), 2);
    drop(subscriber);
    eventually(|| server.channels.is_empty()).await;
}

#[tokio::test]
async fn in_a_subscription_only_few_commands_are_allowed() {
    let server = Running::start().await;
    let mut client = server.client().await;
    let ask = |words: &[&'static str]| Frame::Array(words.iter().map(|word| Frame::text(word)).collect());
    let confirmation = |what, channel, count| Frame::Array(vec![Frame::text(what), channel, Frame::Integer(count)]);
    assert_eq!(client.ask(ask(&["SUBSCRIBE", "a"])).await.unwrap(), confirmation("subscribe", Frame::text("a"), 1));
    assert!(matches!(client.ask(ask(&["GET", "a"])).await.unwrap(), Frame::Error(_)));
    let pong = Frame::Array(vec![Frame::text("pong"), Frame::text("")]);
    assert_eq!(client.ask(ask(&["PING"])).await.unwrap(), pong);
    assert_eq!(client.ask(ask(&["UNSUBSCRIBE"])).await.unwrap(), confirmation("unsubscribe", Frame::text("a"), 0));
    assert_eq!(client.ask(ask(&["UNSUBSCRIBE"])).await.unwrap(), confirmation("unsubscribe", Frame::Null, 0));
    assert_eq!(client.ask(ask(&["GET", "a"])).await.unwrap(), Frame::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_hears_every_message_in_order() {
    let server = Running::start().await;
    let mut subscribers = JoinSet::new();
    for _ in 0..20 {
        let mut subscriber = server.client().await.subscribe(["numbers"]).await.unwrap();
        subscribers.spawn(async move {
            for n in 0..500 {
                assert_eq!(soon(subscriber.next()).await.unwrap(), Some(message("numbers", n)));
            }
        });
    }
    let mut publisher = server.client().await;
    for n in 0..500 {
        assert_eq!(publisher.publish("numbers", n.to_string()).await.unwrap(), 20);
    }
    while let Some(ended) = soon(subscribers.join_next()).await {
        ended.unwrap();
    }
}

/// A future of `next` that is dropped by a `select!` loses nothing.
#[tokio::test]
async fn a_subscriber_that_does_other_things_besides_hears_all() {
    let server = Running::start().await;
    let mut subscriber = server.client().await.subscribe(["numbers"]).await.unwrap();
    let mut publisher = server.client().await;
    let publishing = tokio::spawn(async move {
        for n in 0..200 {
            publisher.publish("numbers", n.to_string()).await.unwrap();
            if n % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let (mut heard, mut ticks) = (0, interval(Duration::from_micros(200)));
    while heard < 200 {
        select! {
            heard_message = subscriber.next() => {
                assert_eq!(heard_message.unwrap(), Some(message("numbers", heard)));
                heard += 1;
            }
            _ = ticks.tick() => {}
        }
    }
    publishing.await.unwrap();
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_cut_off_and_holds_nobody_up() {
    let server = Running::start().await;
    let mut slow = server.client().await.subscribe(["much"]).await.unwrap();
    let mut publisher = server.client().await;
    // More than the system keeps for a connection, and more than the channel keeps besides.
    let content = "x".repeat(16 * 1024);
    let publishing = async {
        for _ in 0..3000 {
            publisher.publish("much", content.clone()).await.unwrap();
        }
    };
    soon(publishing).await;
    let mut heard = 0;
    let refusal = loop {
        match soon(slow.next()).await {
            Ok(Some(_)) => heard += 1,
            Ok(None) => panic!("it was not told why"),
            Err(error) => break error,
        }
    };
    assert!(heard > 0);
    assert!(matches!(&refusal, Error::Refused(answer) if answer.contains("too slowly")), "{refusal}");
    eventually(|| server.channels.is_empty()).await;
}
