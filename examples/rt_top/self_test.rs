//! What CI looks at: this program and the one beside it, as people use them.

use crate::draw::Theme;
use crate::find::Target;
use crate::protocol::{Dump, Trace};
use crate::state::App;
use crate::wire::{self, News, Order};
use crate::{look, picture, picture_of, runtime};
use rt::sync::mpsc::unbounded_channel;
use rt::time::{Instant, timeout_at};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Much longer than it takes.
const SOON: Duration = Duration::from_secs(60);

/// Tasks besides those that do something: more than anybody could be sent every second.
const IDLE: usize = 100_000;

type Outcome = Result<(), Box<dyn Error>>;

pub(crate) fn run() -> Outcome {
    let folder = std::env::temp_dir().join(format!("rt-top-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let socket = folder.join("busy");
    let tested = runtime()?.block_on(test(&socket));
    std::fs::remove_dir_all(&folder)?;
    tested?;
    println!("all is as it should be");
    Ok(())
}

/// The program beside this one. Ended when dropped.
struct Busy(Child);

impl Busy {
    fn start(socket: &Path) -> Result<Self, Box<dyn Error>> {
        let program: PathBuf = std::env::current_exe()?.with_file_name("busy");
        let mut command = Command::new(&program);
        command.arg("--socket").arg(socket).args(["--idle", &IDLE.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Busy(child.map_err(|error| format!("cannot start {}: {error}", program.display()))?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn test(socket: &Path) -> Outcome {
    let busy = Busy::start(socket)?;
    let mut target = Target::Path(socket.to_owned());
    is_seen(&mut target).await?;
    is_told_what_tasks_do(&mut target).await?;
    is_found_again(busy, socket).await
}

/// Has a picture drawn until it shows what is expected.
async fn shows(app: &mut App, target: &mut Target, expected: &[&str]) -> Outcome {
    let until = Instant::now() + SOON;
    loop {
        look(app, target, 1).await?;
        let text = picture::text(&picture_of(app, (120, 40), Theme::of_environment())?);
        let missing: Vec<_> = expected.iter().filter(|part| !text.contains(**part)).collect();
        if missing.is_empty() {
            println!("{text}");
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("{missing:?} is not to be seen in\n{text}").into());
        }
    }
}

async fn is_seen(target: &mut Target) -> Outcome {
    let mut app = App::new(".".into());
    // 100 000 sleepers, and among them those who are busy.
    shows(&mut app, target, &["busy", "100 ", "cruncher", "poll times", "p99", "BUSY", "1 of 100 "]).await?;
    assert!(app.listing.all as usize > IDLE, "{} tasks", app.listing.all);
    assert!(app.listing.tasks.len() <= 100, "no more are sent than are asked for");
    let busy: Vec<_> = app.listing.tasks.iter().map(|task| task.busy_ns).collect();
    assert!(busy.is_sorted_by(|one, next| one >= next), "those that are busy longest come first");
    assert!(app.moments.rate(|metrics| metrics.spawned_tasks) > Some(1.0), "tasks are spawned all the time");
    app.sort_by("stalls");
    shows(&mut app, target, &["careless"]).await?;
    let careless = &app.listing.tasks[0];
    assert_eq!(careless.name.as_deref(), Some("careless"));
    assert!(careless.stalls > 0);
    app.filter = "ping".to_owned();
    shows(&mut app, target, &["ping 1", "with \"ping\""]).await?;
    let mut app = App::new(".".into());
    app.by_place = true;
    shows(&mut app, target, &["places by tasks", "100 000", "sleeper", "busy.rs:"]).await
}

async fn is_told_what_tasks_do(target: &mut Target) -> Outcome {
    let (mut connection, hello) = wire::connect_within(target, SOON).await?;
    assert!(hello.times_tasks && hello.flavor == "multi_thread");
    let dump: Dump = connection.ask("dump").await??;
    assert!(dump.tasks as usize > IDLE && dump.text.contains("\"ping 1\""), "{}", dump.text);
    let each: Dump = connection.ask("dump each").await??;
    assert!(each.text.len() > 1_000_000 && each.text.len() <= 16 << 20, "{} bytes", each.text.len());
    let folder = std::env::temp_dir().join(format!("rt-top-{}", std::process::id()));
    let path = folder.join("trace.json");
    let started: Trace = connection.ask("trace start").await??;
    assert!(started.is_on);
    rt::time::sleep(Duration::from_millis(200)).await;
    let saved: Trace = connection.ask(&format!("trace save {}", path.display())).await??;
    assert!(saved.events > 100, "{saved:?}");
    let stopped: Trace = connection.ask("trace stop").await??;
    assert!(!stopped.is_on);
    let trace = std::fs::read_to_string(&path)?;
    assert!(trace.contains("ticker") && trace.contains("cruncher"), "tasks have their names in a trace");
    let refused = connection.ask::<Dump>("dump everything").await?.unwrap_err();
    assert!(refused.contains("`each`"), "{refused}");
    Ok(())
}

/// The view goes on when the program has been restarted.
async fn is_found_again(busy: Busy, socket: &Path) -> Outcome {
    let mut app = App::new(".".into());
    let (orders, to_wire) = unbounded_channel::<Order>();
    let (news, mut heard) = unbounded_channel();
    let target = Target::Path(socket.to_owned());
    let watching = rt::spawn(wire::watch(target, app.view(), to_wire, move |told| news.send(told).is_ok()));
    let until = Instant::now() + SOON;
    let mut busy = Some(busy);
    let (mut before, mut was_lost) = (0, false);
    loop {
        let told = timeout_at(until, heard.recv()).await?.ok_or("the connection is given up")?;
        match &told {
            News::Frame(_) if before == 0 => {
                before = app.hello.pid;
                // Killed, and so its socket is still there.
                busy = None;
            }
            News::Frame(_) if was_lost => break,
            News::Lost(_) if busy.is_none() => {
                was_lost = true;
                busy = Some(Busy::start(socket)?);
            }
            _ => {}
        }
        app.hear(told);
    }
    assert_ne!(app.hello.pid, before, "it is another process");
    drop(orders);
    watching.await?;
    Ok(())
}
