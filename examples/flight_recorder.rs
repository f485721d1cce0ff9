//! Records a second of a small service, and writes a trace that <https://ui.perfetto.dev> opens.
//!
//! `cargo run --release --example flight_recorder [-- FILE]`
//!
//! Connections answer requests with the help of a counter that they share, a ticker wakes up now and then, a thread outside asks too, and one task
//! keeps its worker for 30 ms, as one should not.

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::UnixStream;
use rt::runtime::Handle;
use rt::sync::{mpsc, oneshot};
use rt::task::Builder;
use rt::time::{Duration, interval, sleep};
use std::io;

type Question = oneshot::Sender<u64>;

#[rt::main(worker_threads = 3)]
async fn main() -> io::Result<()> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "trace.json".to_owned());
    let handle = Handle::current();
    handle.start_recording();

    let (questions, asked) = mpsc::channel(16);
    Builder::new().name("counter").spawn(count(asked))?;
    Builder::new().name("ticker").spawn(tick())?;
    let outside = std::thread::Builder::new().name("asker".to_owned()).spawn({
        let questions = questions.clone();
        move || (0..200).for_each(|_| _ = ask_from_outside(&questions))
    })?;
    let mut clients = Vec::new();
    for number in 0..4 {
        let (client, server) = UnixStream::pair()?;
        Builder::new().name(&format!("connection {number}")).spawn(serve(server, questions.clone()))?;
        clients.push(Builder::new().name(&format!("client {number}")).spawn(request(client))?);
    }
    // No name: it is called after this line.
    rt::spawn(async { std::thread::sleep(Duration::from_millis(30)) });
    for client in clients {
        client.await.unwrap()?;
    }
    handle.stop_recording();
    outside.join().unwrap();

    let recording = handle.recording();
    recording.save(&file)?;
    println!("{file}: {} events in {:?}", recording.events(), recording.duration());
    Ok(())
}

async fn count(mut asked: mpsc::Receiver<Question>) {
    let mut count = 0;
    while let Some(question) = asked.recv().await {
        count += 1;
        // Whoever asked may be gone.
        let _ = question.send(count);
    }
}

async fn tick() {
    let mut interval = interval(Duration::from_millis(10));
    loop {
        interval.tick().await;
    }
}

async fn serve(mut stream: UnixStream, questions: mpsc::Sender<Question>) -> io::Result<()> {
    let mut request = [0; 16];
    while stream.read(&mut request).await? > 0 {
        let (question, answer) = oneshot::channel();
        questions.send(question).await.map_err(io::Error::other)?;
        let count = answer.await.map_err(io::Error::other)?;
        stream.write_all(&count.to_le_bytes()).await?;
    }
    Ok(())
}

async fn request(mut stream: UnixStream) -> io::Result<()> {
    for _ in 0..200 {
        stream.write_all(b"how many?").await?;
        stream.read_exact(&mut [0; 8]).await?;
        sleep(Duration::from_micros(300)).await;
    }
    Ok(())
}

fn ask_from_outside(questions: &mpsc::Sender<Question>) -> Option<u64> {
    let (question, answer) = oneshot::channel();
    questions.blocking_send(question).ok()?;
    let count = answer.blocking_recv().ok();
    std::thread::sleep(Duration::from_micros(500));
    count
}
