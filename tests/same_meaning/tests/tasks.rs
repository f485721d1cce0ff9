//! In which order tasks run, and what is dropped when.

use rt_same_meaning::{Noted, Seen, same};
use std::rc::Rc;
use std::time::Duration;

same! {
    fn tasks_of_one_thread_run_in_the_order_in_which_they_were_woken() {
        let seen = Rc::new(Seen::new());
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let set = runtime::task::LocalSet::new();
        set.block_on(&one, async {
            let (mut tasks, mut senders) = (Vec::new(), Vec::new());
            for number in 0..3 {
                let seen = seen.clone();
                let (sender, receiver) = runtime::sync::oneshot::channel();
                senders.push(sender);
                tasks.push(runtime::task::spawn_local(async move {
                    seen.note(format!("{number} begins"));
                    receiver.await.unwrap();
                    seen.note(format!("{number} goes on"));
                }));
            }
            seen.note("all are spawned");
            runtime::task::yield_now().await;
            for sender in [2, 0, 0].map(|number| senders.remove(number)) {
                sender.send(()).unwrap();
            }
            seen.note("all are woken");
            for task in tasks {
                task.await.unwrap();
            }
        });
        Rc::into_inner(seen).unwrap()
    }

    fn a_task_that_is_aborted_before_it_began() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async {
            let task = runtime::spawn(async { 1 });
            seen.debug(task.is_finished());
            task.abort();
            seen.debug(task.is_finished());
            seen.debug(task.await.is_err_and(|error| error.is_cancelled()));
            let task = runtime::spawn(async { 2 });
            runtime::task::yield_now().await;
            task.abort();
            seen.debug(task.is_finished());
            // It is done: there is nothing to abort.
            seen.debug(task.await.ok());
        });
        seen
    }

    fn what_a_set_of_tasks_tells() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        one.block_on(async {
            let mut set = runtime::task::JoinSet::new();
            seen.debug((set.len(), set.is_empty()));
            seen.debug(set.try_join_next().is_none());
            for number in [3, 1, 2] {
                set.spawn(async move {
                    runtime::time::sleep(Duration::from_secs(number)).await;
                    number
                });
            }
            seen.debug((set.len(), set.try_join_next().is_none()));
            while let Some(joined) = set.join_next().await {
                seen.debug(joined.ok());
            }
            seen.debug(set.join_next().await.is_none());
            set.spawn(std::future::pending());
            set.abort_all();
            seen.debug(set.len());
            seen.debug(set.join_next().await.map(|joined| joined.is_err_and(|error| error.is_cancelled())));
            set.spawn(std::future::pending());
            set.shutdown().await;
            seen.debug(set.len());
            set.spawn(std::future::pending());
            set.detach_all();
            seen.debug(set.len());
        });
        seen
    }

    fn what_is_left_is_dropped_with_its_runtime() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        struct Tells(std::sync::mpsc::Sender<&'static str>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.send("dropped").unwrap();
            }
        }
        let tells = Tells(sender.clone());
        one.spawn(async move {
            let _tells = tells;
            std::future::pending::<()>().await
        });
        one.block_on(runtime::task::yield_now());
        sender.send("before").unwrap();
        drop(one);
        sender.send("after").unwrap();
        drop(sender);
        receiver.iter().for_each(|line| seen.note(line));
        seen
    }

    fn the_value_of_a_task_local_is_dropped_with_its_future() {
        runtime::task_local! {
            static NUMBER: u32;
        }
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().build().unwrap();
        one.block_on(async {
            struct Reads<'a>(&'a Seen);
            impl Drop for Reads<'_> {
                fn drop(&mut self) {
                    self.0.debug(NUMBER.try_get().ok());
                }
            }
            let reads = Reads(&seen);
            let mut scope = Box::pin(NUMBER.scope(1, async move {
                let _reads = reads;
                runtime::task::yield_now().await;
                NUMBER.get()
            }));
            runtime::select! {
                biased;
                _ = &mut scope => seen.note("done"),
                _ = async {} => seen.note("dropped early"),
            }
            drop(scope);
            let mut scope = Box::pin(NUMBER.scope(2, async { NUMBER.get() }));
            seen.debug(scope.as_mut().await);
            seen.debug(scope.as_mut().take_value());
        });
        seen
    }

    fn time_that_stands_still_moves_when_nothing_else_can_happen() {
        let seen = Rc::new(Seen::new());
        let one = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let set = runtime::task::LocalSet::new();
        set.block_on(&one, async {
            let began = runtime::time::Instant::now();
            let mut tasks = Vec::new();
            for seconds in [5, 1, 3] {
                let seen = seen.clone();
                tasks.push(runtime::task::spawn_local(async move {
                    runtime::time::sleep(Duration::from_secs(seconds)).await;
                    seen.note(format!("{seconds} after {} s", began.elapsed().as_secs()));
                }));
            }
            runtime::time::sleep(Duration::from_secs(2)).await;
            seen.note(format!("main after {} s", began.elapsed().as_secs()));
            // To a time at which nothing is due: whether what is due has run when it returns is not the same.
            runtime::time::advance(Duration::from_millis(500)).await;
            seen.note(format!("advanced to {:?}", began.elapsed()));
            for task in tasks {
                task.await.unwrap();
            }
        });
        Rc::into_inner(seen).unwrap()
    }

    fn ticks_that_were_missed() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        one.block_on(async {
            use runtime::time::MissedTickBehavior::*;
            for behavior in [Burst, Delay, Skip] {
                let began = runtime::time::Instant::now();
                let mut interval = runtime::time::interval(Duration::from_secs(10));
                interval.set_missed_tick_behavior(behavior);
                interval.tick().await;
                runtime::time::advance(Duration::from_secs(25)).await;
                for _ in 0..4 {
                    let due = interval.tick().await;
                    seen.debug((behavior, due.duration_since(began).as_secs(), began.elapsed().as_secs()));
                }
                interval.reset();
                seen.debug((behavior, interval.tick().await.duration_since(began).as_secs()));
            }
        });
        seen
    }

    fn a_sleep_says_when_it_is_over() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        one.block_on(async {
            let began = runtime::time::Instant::now();
            let sleep = runtime::time::sleep(Duration::from_secs(1));
            runtime::pin!(sleep);
            seen.debug((sleep.is_elapsed(), sleep.deadline().duration_since(began).as_secs()));
            sleep.as_mut().reset(began + Duration::from_secs(3));
            sleep.as_mut().await;
            seen.debug((sleep.is_elapsed(), began.elapsed().as_secs()));
            sleep.as_mut().reset(began);
            sleep.as_mut().await;
            seen.debug((sleep.is_elapsed(), began.elapsed().as_secs()));
        });
        seen
    }

    fn values_are_dropped_where_they_go_out_of_scope() {
        let seen = Seen::new();
        let one = runtime::runtime::Builder::new_current_thread().build().unwrap();
        one.block_on(async {
            let hold = async |name: &'static str, yields: usize| {
                let noted = Noted(name, &seen);
                for _ in 0..yields {
                    runtime::task::yield_now().await;
                }
                noted
            };
            runtime::select! {
                biased;
                _ = hold("first", 2) => seen.note("first handler"),
                _ = hold("second", 1) => seen.note("second handler"),
                _ = hold("third", 2) => seen.note("third handler"),
            }
            runtime::select! {
                biased;
                one = hold("first", 0) => {
                    seen.note("handler");
                    drop(one);
                    seen.note("handler ends");
                }
                _ = hold("second", 0) => (),
            }
            seen.note("joins");
            let joined = runtime::join!(hold("one", 1), hold("two", 0), hold("three", 2));
            seen.note("joined");
            drop(joined);
            let fails = async |name: &'static str, yields: usize| {
                drop(hold(name, yields).await);
                Err::<(), _>(name)
            };
            seen.debug(runtime::try_join!(fails("slow", 2), fails("fast", 1), fails("middle", 2)));
        });
        seen
    }
}
