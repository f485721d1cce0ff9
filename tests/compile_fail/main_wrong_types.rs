// What the compiler says about a body points at the body, as if the attribute were not there.

#[rt::main]
async fn wrong_tail() -> u32 {
    "a string"
}

#[rt::main]
async fn no_tail() -> Result<(), std::io::Error> {
    std::fs::metadata("a file")?;
}

#[rt::main]
async fn unexpected_question_mark() {
    std::fs::metadata("a file")?;
}

#[rt::main]
async fn main() {
    Ok(())
}
