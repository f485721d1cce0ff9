async fn number() -> u32 {
    1
}

async fn fails(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

async fn fails_otherwise() -> Result<u32, std::io::Error> {
    Ok(1)
}

#[rt::main]
async fn main() {
    // No future.
    let _ = rt::join!(number(), 5);
    // No result.
    let _ = rt::try_join!(number());
    // Two errors.
    let _ = rt::try_join!(fails("1"), fails_otherwise());
}
