use std::future::ready;

#[rt::main]
async fn main(count: usize) -> Result<(), std::io::Error> {
    ready(count).await;
    Ok(())
}
