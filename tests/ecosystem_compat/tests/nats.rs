//! async-nats, against a real server, in plain tasks of this runtime.

use async_nats::jetstream::{self, consumer, stream};
use futures_util::{StreamExt, TryStreamExt};
use rt_ecosystem::{Server, all, soon, with_server};
use std::net::SocketAddr;
use std::time::Duration;

async fn connect(address: SocketAddr) -> async_nats::Client {
    async_nats::connect(address.to_string()).await.unwrap()
}

#[test]
fn two_hundred_requests_at_once_have_their_answers() {
    with_server(Server::nats, |address| async move {
        let client = connect(address).await;
        let mut requests = client.subscribe("double").await.unwrap();
        // The subscription is on the server before anybody asks.
        client.flush().await.unwrap();
        let answering = rt::spawn({
            let client = client.clone();
            async move {
                while let Some(request) = requests.next().await {
                    let number: u32 = str::from_utf8(&request.payload).unwrap().parse().unwrap();
                    client.publish(request.reply.unwrap(), (2 * number).to_string().into()).await.unwrap();
                }
            }
        });
        let asking = (0..200_u32).map(|n| {
            let client = client.clone();
            rt::spawn(async move { client.request("double", n.to_string().into()).await.unwrap().payload })
        });
        let answers = all(asking.collect::<Vec<_>>()).await;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer, (2 * n).to_string().as_bytes());
        }
        client.drain().await.unwrap();
        soon(answering).await.unwrap();
    });
}

#[test]
fn members_of_a_queue_share_what_is_published() {
    with_server(Server::nats, |address| async move {
        let publisher = connect(address).await;
        let mut members = Vec::new();
        for _ in 0..4 {
            let client = connect(address).await;
            let mut messages = client.queue_subscribe("work", "workers".into()).await.unwrap();
            client.flush().await.unwrap();
            members.push(rt::spawn(async move {
                let mut count = 0;
                while soon(messages.next()).await.is_some_and(|message| message.payload != "end") {
                    count += 1;
                }
                client.drain().await.unwrap();
                count
            }));
        }
        for _ in 0..100 {
            publisher.publish("work", "job".into()).await.unwrap();
        }
        // Each member that has heard of the end leaves, and so every member hears of it in the end.
        publisher.flush().await.unwrap();
        let ending = rt::spawn(async move {
            loop {
                publisher.publish("work", "end".into()).await.unwrap();
                publisher.flush().await.unwrap();
                rt::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(all(members).await.iter().sum::<usize>(), 100);
        ending.abort();
    });
}

#[test]
fn a_request_that_nobody_answers_ends_by_the_crates_own_time() {
    with_server(Server::nats, |address| async move {
        let options = async_nats::ConnectOptions::new().request_timeout(Some(Duration::from_millis(30)));
        let client = options.connect(address.to_string()).await.unwrap();
        let _silent = client.subscribe("silence").await.unwrap();
        let error = soon(client.request("silence", "hello?".into())).await.unwrap_err();
        assert_eq!(error.kind(), async_nats::RequestErrorKind::TimedOut);
    });
}

#[test]
fn a_job_that_is_not_acknowledged_is_delivered_again() {
    with_server(Server::nats, |address| async move {
        let jetstream = jetstream::new(connect(address).await);
        let config = stream::Config { name: "JOBS".into(), subjects: vec!["jobs.*".into()], ..Default::default() };
        let stream = jetstream.create_stream(config).await.unwrap();
        for n in 0..10 {
            jetstream.publish(format!("jobs.{n}"), n.to_string().into()).await.unwrap().await.unwrap();
        }
        let ack_wait = Duration::from_millis(100);
        let config = consumer::pull::Config { durable_name: Some("worker".into()), ack_wait, ..Default::default() };
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let (mut done, mut deliveries) = (Vec::new(), 0);
        while done.len() < 10 {
            let message = soon(messages.try_next()).await.unwrap().unwrap();
            deliveries += 1;
            // The first time, every other one is forgotten.
            if message.info().unwrap().delivered > 1 || deliveries % 2 == 0 {
                message.double_ack().await.unwrap();
                done.push(message.payload.clone());
            }
        }
        done.sort();
        done.dedup();
        assert_eq!(done.len(), 10);
        assert!(deliveries > 10);
        jetstream.delete_stream("JOBS").await.unwrap();
    });
}
