fn main() {
    rt::select! {
        () = async {} => (),
    }
}
