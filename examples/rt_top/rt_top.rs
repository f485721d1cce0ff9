//! A live view of a program that runs on `rt`.
//!
//! ```text
//! cargo run --release -p rt-top --bin busy        in one terminal: something to look at
//! cargo run --release -p rt-top                   in another
//! ```
//!
//! The program to be looked at opens a socket with one call: `Handle::serve_insight`, or `Builder::serve_insight`. `--help` says what this one takes,
//! `?` what its keys do.
//!
//! | file | subject |
//! |---|---|
//! | this | arguments, and the loop: what was heard and pressed, and then a picture |
//! | `find` | which program |
//! | `wire` | the connection: a task that asks and tells |
//! | `protocol` | what the program tells |
//! | `state/` | what is on the screen, and what keys do |
//! | `numbers` | rates, and numbers for people |
//! | `draw/` | the picture |
//! | `picture` | the same without a terminal |
//! | `self_test` | what CI looks at |

mod draw;
mod find;
mod numbers;
mod picture;
mod protocol;
mod self_test;
mod state;
mod wire;

use draw::Theme;
use find::Target;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use rt::runtime::{Builder, Runtime};
use rt::sync::mpsc::unbounded_channel;
use state::App;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use wire::News;

const USAGE: &str = "\
usage: rt_top [PROGRAM] [options]

PROGRAM is a process's number, a program's name, or the path of a socket. Without it, the program that began last.

  --list             say which programs there are, and end
  --once             print one picture as text, after a second, and end
  --svg              the same as a drawing
  --size WxH         of what --once and --svg print; default 100x36
  --seconds N        for how long these look before; default 1
  --sort KEY         tasks by busy, polls, age, stalls, state, last_poll, id, name or location;
                     places by tasks, busy, polls, age, stalls or location
  --places           the places where tasks were spawned, instead of tasks
  --filter TEXT      only those with the text in their name or place, or for their id
  --folder PATH      where dumps are written; default: here
  --self-test        start a program, look at it, and say whether that is as it should be

A program is seen here if it calls `serve_insight` of rt's `Handle` or `Builder`.";

/// How often a picture is drawn again that nothing has changed: what it says of time goes on.
const REDRAW: Duration = Duration::from_secs(1);
/// How long `--once` waits for the program.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to do.
enum Task {
    Watch,
    List,
    Once { as_svg: bool },
    SelfTest,
}

struct Arguments {
    task: Task,
    target: Target,
    size: (u16, u16),
    seconds: u32,
    sort: Option<String>,
    by_place: bool,
    filter: String,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("rt_top: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match arguments.task {
        Task::List => {
            list();
            Ok(())
        }
        Task::Once { as_svg } => once(arguments, as_svg),
        Task::SelfTest => self_test::run(),
        Task::Watch if !io::stdout().is_terminal() => {
            Err("standard output is no terminal; `--once` prints one picture".into())
        }
        Task::Watch => watch(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rt_top: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: help is wanted.
fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        task: Task::Watch,
        target: Target::Any,
        size: (100, 36),
        seconds: 1,
        sort: None,
        by_place: false,
        filter: String::new(),
        folder: PathBuf::from("."),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--list" => arguments.task = Task::List,
            "--once" => arguments.task = Task::Once { as_svg: false },
            "--svg" => arguments.task = Task::Once { as_svg: true },
            "--self-test" => arguments.task = Task::SelfTest,
            "--places" => arguments.by_place = true,
            "--sort" => arguments.sort = Some(value()?),
            "--filter" => arguments.filter = value()?,
            "--folder" => arguments.folder = value()?.into(),
            "--seconds" => {
                let seconds = value()?;
                let parsed = seconds.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                arguments.seconds = parsed.ok_or_else(|| format!("{seconds:?} is no number of seconds"))?;
            }
            "--size" => {
                let size = value()?;
                let parsed = size.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
                arguments.size = parsed
                    .filter(|(w, h)| (1..=1000).contains(w) && (1..=1000).contains(h))
                    .ok_or_else(|| format!("{size:?} is no size: 100x36, for example"))?;
            }
            _ if word.starts_with('-') => return Err(format!("there is no option {word}")),
            _ => arguments.target = Target::parse(&word),
        }
    }
    // Said now, and not by a program that is asked for it.
    app(&arguments)?;
    Ok(Some(arguments))
}

fn app(arguments: &Arguments) -> Result<App, String> {
    let mut app = App::new(arguments.folder.clone());
    app.by_place = arguments.by_place;
    app.filter = arguments.filter.clone();
    match &arguments.sort {
        Some(key) if !app.sort_by(key) => Err(format!("{key:?} is nothing to sort by")),
        _ => Ok(app),
    }
}

fn list() {
    let programs = find::programs();
    for program in &programs {
        println!("{:>8} {:<24} {}", program.process, program.name, program.path.display());
    }
    if programs.is_empty() {
        println!("no program of this user's calls `serve_insight`");
    }
}

/// The runtime of this program: one worker has little to do.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("rt-top").enable_all().build()
}

/// Shows the program until somebody quits.
fn watch(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut app = app(&arguments)?;
    let theme = Theme::of_environment();
    let runtime = runtime()?;
    let (orders, to_wire) = unbounded_channel();
    let (events, from_all) = channel();
    let from_wire = events.clone();
    runtime.spawn(wire::watch(arguments.target, app.view(), to_wire, move |news| {
        from_wire.send(Happening::News(news)).is_ok()
    }));
    let mut terminal = ratatui::try_init()?;
    // Ends with the program: nobody can wake a thread that waits for a key.
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if events.send(Happening::Event(event)).is_err() {
                return;
            }
        }
    });
    let done = run(&mut terminal, &mut app, &from_all, theme, |order| _ = orders.send(order));
    ratatui::restore();
    runtime.shutdown_background();
    done
}

/// What the loop waits for.
enum Happening {
    News(News),
    Event(Event),
}

fn run(
    terminal: &mut ratatui::DefaultTerminal,
    app: &mut App,
    events: &Receiver<Happening>,
    theme: Theme,
    order: impl Fn(wire::Order),
) -> Result<(), Box<dyn Error>> {
    while !app.is_over {
        terminal.draw(|frame| draw::draw(frame, app, theme))?;
        let mut next = match events.recv_timeout(REDRAW) {
            Ok(happening) => Some(happening),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Err("the terminal has gone".into()),
        };
        // All that has happened meanwhile is in the next picture.
        while let Some(happening) = next {
            match happening {
                Happening::News(news) => app.hear(news),
                Happening::Event(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    app.press(key).into_iter().for_each(&order);
                }
                Happening::Event(_) => {}
            }
            next = events.try_recv().ok();
        }
    }
    Ok(())
}

/// Prints one picture.
fn once(arguments: Arguments, as_svg: bool) -> Result<(), Box<dyn Error>> {
    let mut app = app(&arguments)?;
    let mut target = arguments.target;
    let runtime = runtime()?;
    runtime.block_on(look(&mut app, &mut target, arguments.seconds))?;
    let theme = Theme::of_environment();
    let buffer = picture_of(&mut app, arguments.size, theme)?;
    print!("{}", if as_svg { picture::svg(&buffer) } else { picture::text(&buffer) });
    Ok(())
}

/// Looks at the program for so long.
async fn look(app: &mut App, target: &mut Target, seconds: u32) -> Result<(), Box<dyn Error>> {
    let (mut connection, hello) = wire::connect_within(target, PATIENCE).await?;
    app.hear(News::Connected(Box::new(hello)));
    // In four looks at least, so that curves are curves.
    let looks = seconds.max(4);
    let pause = Duration::from_secs(seconds.into()) / looks;
    for look in 0..=looks {
        if look > 0 {
            rt::time::sleep(pause).await;
        }
        let frame = wire::frame(&mut connection, &app.view().list).await??;
        app.hear(News::Frame(Box::new(frame)));
    }
    Ok(())
}

fn picture_of(app: &mut App, (width, height): (u16, u16), theme: Theme) -> Result<Buffer, Box<dyn Error>> {
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    terminal.draw(|frame| draw::draw(frame, app, theme))?;
    Ok(terminal.backend().buffer().clone())
}
