async fn wait() -> u32 {
    1
}

#[rt::main]
async fn main() {
    // A pattern is missing.
    rt::select! {
        wait() => 1,
        x = wait() => x,
    };
    // An arrow is missing.
    rt::select! {
        x = wait() { x }
        y = wait() => y,
    };
    // A comma is missing before the condition.
    rt::select! {
        x = wait() if true => x,
    };
    // A comma is missing behind a handler that is no block.
    rt::select! {
        x = wait() => x
        y = wait() => y,
    };
    // A handler is missing.
    rt::select! {
        x = wait() =>,
    };
    // The `else` is not the last.
    rt::select! {
        else => 1,
        x = wait() => x,
    };
    // A branch of another crate's macro.
    rt::select! {
        x = wait() => x,
        complete => 1,
    };
}
