//! An HTTP API with axum, JSON in and out, and no runtime of tokio's: notes that clients write and read.
//!
//! ```text
//! cargo run --release -p rt-examples --bin http_api [ADDRESS]
//! curl http://127.0.0.1:7010/notes --json '{"text": "buy milk"}'
//! curl http://127.0.0.1:7010/notes/0
//! ```
//!
//! `axum::serve` would want tokio's runtime; hyper-util's server does not. `--self-test` runs it against a client of its
//! own.

#[path = "../support/mod.rs"]
mod support;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::{server::conn::auto, service::TowerToHyperService};
use rt::hyper::{Executor, Timer};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::sync::RwLock;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use support::{Failure, arguments, within_a_minute};

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[derive(Clone, Serialize)]
struct Note {
    id: usize,
    text: String,
}

/// What all requests share. The place of a note is its number.
type Notes = Arc<RwLock<Vec<Note>>>;

fn router() -> Router {
    Router::new().route("/notes", get(list).post(add)).route("/notes/{id}", get(find)).with_state(Notes::default())
}

async fn list(State(notes): State<Notes>) -> Json<Vec<Note>> {
    Json(notes.read().await.clone())
}

async fn add(State(notes): State<Notes>, Json(new): Json<NewNote>) -> (StatusCode, Json<Note>) {
    let mut notes = notes.write().await;
    let note = Note { id: notes.len(), text: new.text };
    notes.push(note.clone());
    (StatusCode::CREATED, Json(note))
}

async fn find(State(notes): State<Notes>, Path(id): Path<usize>) -> Result<Json<Note>, (StatusCode, String)> {
    let notes = notes.read().await;
    let note = notes.get(id).ok_or_else(|| (StatusCode::NOT_FOUND, format!("There is no note {id}. Try /notes\n")))?;
    Ok(Json(note.clone()))
}

#[rt::main]
async fn main() -> Result<(), Failure> {
    let Some([address]) = arguments("[ADDRESS]", ["127.0.0.1:7010"]) else {
        return within_a_minute(self_test()).await;
    };
    let listener = TcpListener::bind(address).await?;
    println!("listening at http://{}/notes", listener.local_addr()?);
    serve(listener, router()).await
}

async fn serve(listener: TcpListener, router: Router) -> ! {
    let mut server = auto::Builder::new(Executor::new());
    // With a timer, clients that take too long to send their request are sent away.
    server.http1().timer(Timer::new()).http2().timer(Timer::new());
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let connection = server.serve_connection(stream, TowerToHyperService::new(router.clone())).into_owned();
                // What can go wrong with it is the client's doing, and hyper has told it so if it still listens.
                rt::spawn(async { drop(connection.await) });
            }
            Err(error) => eprintln!("cannot accept a connection: {error}"),
        }
    }
}

async fn self_test() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    rt::spawn(async { serve(listener, router()).await });

    for (request, body, status, answer) in [
        ("GET /notes", "", "200 OK", "[]"),
        ("POST /notes", r#"{"text":"buy milk"}"#, "201 Created", r#"{"id":0,"text":"buy milk"}"#),
        ("POST /notes", r#"{"text":"drink it"}"#, "201 Created", r#"{"id":1,"text":"drink it"}"#),
        ("GET /notes/1", "", "200 OK", r#"{"id":1,"text":"drink it"}"#),
        ("GET /notes/2", "", "404 Not Found", "There is no note 2. Try /notes\n"),
        ("POST /notes", "{", "400 Bad Request", ""),
        ("GET /notes", "", "200 OK", r#"[{"id":0,"text":"buy milk"},{"id":1,"text":"drink it"}]"#),
    ] {
        let got = ask(&address, request, body).await?;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}\r\n")) && got.ends_with(answer), "{request}: {got}");
    }
    Ok(())
}

async fn ask(address: &str, request: &str, body: &str) -> io::Result<String> {
    let head = "connection: close\r\ncontent-type: application/json\r\ncontent-length";
    let text = format!("{request} HTTP/1.1\r\nhost: {address}\r\n{head}: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
