//! How a directory is made.

use super::hop;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::path::Path;

/// How a directory is to be made.
///
/// ```
/// use rt::fs::DirBuilder;
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("rt-dir-builder-{}", std::process::id()));
/// DirBuilder::new().recursive(true).create(path.join("a/b/c")).await?;
/// assert!(rt::fs::try_exists(path.join("a/b/c")).await?);
/// # rt::fs::remove_dir_all(&path).await
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Makes one directory, with the usual permissions.
    pub fn new() -> Self {
        DirBuilder::default()
    }

    /// Whether those above it are made too, and one that is there already is no error.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// The permissions, from which the process's umask takes some away. `0o777` if nothing is said.
    #[cfg(unix)]
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Cancel safety
    ///
    /// Once begun, it is done, also if the future is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled outside a runtime.
    #[track_caller]
    pub fn create(&self, path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            let path = path.as_ref().to_owned();
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(self.recursive);
            #[cfg(unix)]
            if let Some(mode) = self.mode {
                std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
            }
            hop(location, move || builder.create(path)).await
        }
    }
}
