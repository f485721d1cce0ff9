async fn wait() -> u32 {
    1
}

#[rt::main]
async fn main() {
    // What handlers give.
    let _ = rt::select! {
        x = wait() => x,
        _ = wait() => "two",
    };
    // What the pattern is for.
    rt::select! {
        Some(x) = wait() => drop(x),
    }
    // What is no future.
    rt::select! {
        _ = 5 => (),
    }
}
