struct Server {
    port: u16,
}

impl Server {
    #[rt::main]
    async fn run(&self) -> u16 {
        self.port
    }
}

fn main() {
    let _ = Server { port: 80 }.run();
}
