//! Files inside a runtime: its time, its dumps, its shutdown, and the other tasks.

use super::*;
use rt::runtime::{TaskKind, TaskState, WaitReason};
use std::panic::UnwindSafe;
use std::sync::Arc;

#[test]
fn time_stands_still_while_a_file_is_waited_for() {
    within(SOON, || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let folder = Folder::new();
        runtime.block_on(async {
            let (began, hour) = (rt::time::Instant::now(), Duration::from_secs(3600));
            let path = folder.path("file");
            timeout(hour, fs::write(&path, pattern(1_000_000))).await.unwrap().unwrap();
            timeout(hour, fs::read(&path)).await.unwrap().unwrap();
            let mut file = timeout(hour, File::create(&path)).await.unwrap().unwrap();
            for _ in 0..100 {
                timeout(hour, file.write_all(&[1; 10_000])).await.unwrap().unwrap();
            }
            timeout(hour, file.flush()).await.unwrap().unwrap();
            assert_eq!(began.elapsed(), Duration::ZERO);
            rt::time::sleep(hour).await;
            assert_eq!(began.elapsed(), hour);
        });
    });
}

/// Waits until a closure of the runtime is told of as running, and returns the line it was called from.
fn running_line(handle: &Handle) -> u32 {
    let mut line = 0;
    eventually(SOON, || {
        let dump = handle.dump();
        let running = |task: &&rt::runtime::TaskDump| {
            task.kind() == TaskKind::Blocking && matches!(task.state(), TaskState::Running { .. })
        };
        let found = dump.tasks().iter().find(running).map(|task| task.location());
        line = found.filter(|location| location.file() == file!()).map_or(0, |location| location.line());
        line != 0
    });
    line
}

#[test]
fn an_operation_that_waits_is_named_by_its_caller_and_holds_nobody_up() {
    for make in [current, || multi(1)] {
        within(2 * SOON, move || {
            let (runtime, folder) = (make(), Folder::new());
            let pipe = folder.pipe("pipe");
            let called = Arc::new(AtomicUsize::new(0));
            runtime.block_on(async {
                let reading = rt::spawn({
                    let (pipe, called) = (pipe.clone(), Arc::clone(&called));
                    async move {
                        called.store(line!() as usize + 1, Ordering::Relaxed);
                        fs::read(&pipe).await
                    }
                });
                // Others run, though the pipe is opened only when somebody writes.
                for _ in 0..100 {
                    rt::task::yield_now().await;
                }
                let line = running_line(&Handle::current());
                assert_eq!(line as usize, called.load(Ordering::Relaxed));
                fs::write(&pipe, "contents").await.unwrap();
                assert_eq!(reading.await.unwrap().unwrap(), b"contents");

                let line = line!() + 1;
                let mut file = File::options().read(true).write(true).open(&pipe).await.unwrap();
                assert!(once(file.read(&mut [0; 1])).is_pending());
                assert_eq!(running_line(&Handle::current()), line, "where the file was opened");
                file.write_all(b"x").now_or_never_is_pending();
                std::fs::write(&pipe, "y").unwrap();
                file.read_exact(&mut [0; 1]).await.unwrap();
            });
        });
    }
}

trait NeverReady: Future + Sized {
    /// A write waits for the read before it.
    fn now_or_never_is_pending(self) {
        assert!(once(self).is_pending());
    }
}

impl<F: Future> NeverReady for F {}

#[test]
fn a_task_that_waits_for_a_file_is_told_to_wait_for_the_closure() {
    for make in [current, || multi(1)] {
        within(SOON, move || {
            let (runtime, folder) = (make(), Folder::new());
            let pipe = folder.pipe("pipe");
            runtime.block_on(async {
                let file = File::options().read(true).write(true).open(&pipe).await.unwrap();
                let mut reader = file.try_clone().await.unwrap();
                let mut writer = file;
                let writing = rt::spawn(async move {
                    writer.write_all(&[1; 200_000]).await.unwrap();
                    writer.flush().await.unwrap();
                });
                let closure = async {
                    loop {
                        let dump = Handle::current().dump();
                        let waiting = dump.tasks().iter().find(|task| task.id() == writing.id()).unwrap();
                        if let TaskState::Waiting { reason: WaitReason::Task { id, .. }, .. } = waiting.state() {
                            let closure = dump.tasks().iter().find(|task| task.id() == id);
                            break closure.map(|closure| closure.kind());
                        }
                        rt::task::yield_now().await;
                    }
                };
                assert_eq!(timeout(SOON, closure).await.unwrap(), Some(TaskKind::Blocking));
                reader.read_exact(&mut [0; 200_000]).await.unwrap();
                writing.await.unwrap();
            });
        });
    }
}

#[test]
fn a_shutdown_that_may_not_take_long_leaves_an_operation_that_waits_to_itself() {
    for make in [current, || multi(1)] {
        within(SOON, move || {
            let (runtime, folder) = (make(), Folder::new());
            let pipe = folder.pipe("pipe");
            let handle = runtime.handle().clone();
            let reading = runtime.spawn({
                let pipe = pipe.clone();
                async move { fs::read(&pipe).await }
            });
            runtime.block_on(async { rt::task::yield_now().await });
            running_line(&handle);
            runtime.shutdown_timeout(Duration::from_millis(10));
            assert!(current().block_on(reading).unwrap_err().is_cancelled());
            // The thread goes on until somebody writes.
            std::fs::write(&pipe, "contents").unwrap();
        });
    }
}

#[test]
fn what_is_in_memory_is_read_though_the_pool_has_no_thread_left() {
    if !Path::new("/dev/shm").is_dir() {
        return;
    }
    for builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        within(SOON, move || {
            let folder = Folder::in_memory();
            let contents = pattern(100_000);
            let path = folder.file("file", &contents);
            let mut file = current().block_on(async {
                let mut file = File::open(&path).await.unwrap();
                // The first read finds out where the file is.
                file.read_exact(&mut [0; 10]).await.unwrap();
                file
            });
            let (runtime, gate) = occupied(builder);
            let _open = OpenOnDrop(gate);
            runtime.block_on(async {
                let mut found = contents[..10].to_vec();
                file.seek(SeekFrom::Current(0)).await.unwrap();
                file.read_to_end(&mut found).await.unwrap();
                assert!(found == contents);
                file.rewind().await.unwrap();
                assert!(once(file.read_exact(&mut [0; 10])).is_ready());
                let mut shared = File::from_std(std::fs::File::open(&path).unwrap());
                assert!(once(shared.read(&mut [0; 10])).is_pending(), "others may have that one");
            });
        });
    }
}

#[test]
fn a_file_works_in_one_runtime_after_another() {
    within(SOON, || {
        let folder = Folder::new();
        let path = folder.path("file");
        let mut file = current().block_on(async {
            let mut file = File::create_new(&path).await.unwrap();
            file.write_all(b"one ").await.unwrap();
            file
        });
        multi(1).block_on(async {
            file.write_all(b"two").await.unwrap();
            file.rewind().await.unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "one two");
        });
    });
}

#[test]
fn outside_of_a_runtime_a_panic_says_so() {
    let message = panic_message(|| once(fs::read("Cargo.toml")));
    assert!(message.contains("there is no rt runtime on this thread"), "{message}");
}

#[test]
fn a_reader_that_always_finds_something_lets_others_run() {
    on_each_flavor(async |folder| {
        let path = folder.file("file", pattern(100_000));
        let turns = Arc::new(AtomicUsize::new(0));
        let other = rt::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    rt::task::yield_now().await;
                }
            }
        });
        let reading = rt::spawn(async move {
            let mut file = File::open(&path).await.unwrap();
            for _ in 0..10_000 {
                file.rewind().await.unwrap();
                file.read_exact(&mut [0; 10]).await.unwrap();
            }
        });
        reading.await.unwrap();
        assert!(turns.load(Ordering::Relaxed) >= 50, "{turns:?}");
        other.abort();
    });
}

#[test]
fn files_can_be_sent_and_shared() {
    fn is<T: Send + Sync + Unpin + UnwindSafe>() {}
    fn future<T: Send + Sync>(_: &T) {}
    is::<File>();
    is::<OpenOptions>();
    is::<DirBuilder>();
    is::<fs::ReadDir>();
    is::<fs::DirEntry>();
    is::<FileTimes>();
    future(&fs::read("x"));
    future(&fs::write("x", vec![1]));
    future(&File::open("x"));
    future(&fs::read_dir("x"));
    future(&fs::rename("x", "y"));
    fn streams<T: AsyncRead + AsyncWrite + AsyncSeek>() {}
    streams::<File>();
    let _ = ReadBuf::new(&mut []);
}
