struct Server;

impl Server {
    #[rt::test]
    async fn a_test(&self) {}
}

fn main() {
    let _ = Server;
}
