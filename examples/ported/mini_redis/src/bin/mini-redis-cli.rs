//! Sends one command, and prints the answer; after `subscribe`, what is published until ctrl-c.
//!
//! ```text
//! cargo run -p mini-redis --bin mini-redis-cli ADDRESS COMMAND [ARGUMENT...]
//! ```

use mini_redis::frame::{Error, Frame};
use mini_redis::{Client, command::Command};
use tokio::select;
use tokio::signal::ctrl_c;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), words) = (arguments.next(), arguments) else {
        eprintln!("usage: mini-redis-cli ADDRESS COMMAND [ARGUMENT...]");
        std::process::exit(2);
    };
    let frame = Frame::Array(words.map(|word| Frame::Bulk(word.into())).collect());
    let mut client = Client::connect(address).await?;
    let Ok(Command::Subscribe(channels)) = Command::parse(frame.clone()) else {
        print(client.ask(frame).await?);
        return Ok(());
    };
    let mut subscriber = client.subscribe(channels).await?;
    loop {
        select! {
            message = subscriber.next() => match message? {
                Some(message) => println!("{}: {}", message.channel.escape_ascii(), message.content.escape_ascii()),
                None => return Ok(()),
            },
            interrupted = ctrl_c() => return Ok(interrupted?),
        }
    }
}

fn print(answer: Frame) {
    match answer {
        Frame::Simple(text) => println!("{text}"),
        Frame::Error(text) => println!("(error) {text}"),
        Frame::Integer(number) => println!("(integer) {number}"),
        Frame::Bulk(bytes) => println!("\"{}\"", bytes.escape_ascii()),
        Frame::Null => println!("(nil)"),
        Frame::Array(frames) => frames.into_iter().for_each(print),
    }
}
