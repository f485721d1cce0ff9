#[rt::main]
async fn run<T: Default>() -> T {
    T::default()
}

fn main() {
    let _ = run::<u8>();
}
