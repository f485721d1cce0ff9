//! `rt-paths list <folder> <manifest>` prints what the documentation in a folder and the features of a manifest show; `rt-paths check <folder>` compares
//! ours with tokio's.

use rt_paths::{Differences, Excuses, Surface};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

const TOKIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tokio.txt");
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/porting-from-tokio.md");

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list", folder, manifest] => read(Path::new(folder), Path::new(manifest)).map(|surface| {
            print!("{}", surface.lines());
            true
        }),
        ["check", folder] => check(Path::new(folder)),
        _ => {
            eprintln!(
                "usage: rt-paths list <folder of a crate's documentation> <its Cargo.toml>\n       rt-paths check <folder>"
            );
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rt-paths: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(folder: &Path, manifest: &Path) -> io::Result<Surface> {
    let mut surface = Surface::of_docs(folder)?;
    surface.add_features(&fs::read_to_string(manifest)?);
    Ok(surface)
}

fn check(folder: &Path) -> io::Result<bool> {
    let tokio = Surface::of_lines(&fs::read_to_string(TOKIO)?);
    let ours = read(folder, Path::new(MANIFEST))?;
    let differences = Differences::between(&tokio, &ours, &Excuses::of_guide(&fs::read_to_string(GUIDE)?));
    if differences.is_empty() {
        println!("{} public things of tokio's are here, or in the porting guide", tokio.facts().count());
        return Ok(true);
    }
    print!("{differences}");
    println!(
        "{} things of tokio's are missing or otherwise, and {} excuses in docs/porting-from-tokio.md are for nothing",
        differences.unexcused.len(),
        differences.idle.len()
    );
    Ok(false)
}
