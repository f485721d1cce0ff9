async fn wait() -> u32 {
    1
}

#[rt::main]
async fn main() {
    rt::select! {
        biased,
        x = wait() => x,
    };
    rt::select! {
        x = wait() => x,
        biased;
        y = wait() => y,
    };
}
