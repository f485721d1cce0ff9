//! Times to give to a file.

use std::time::SystemTime;

/// Times for [`File::set_times`](super::File::set_times). What is not set here stays as it is.
///
/// ```
/// use rt::fs::FileTimes;
/// use std::time::{Duration, SystemTime};
///
/// # #[rt::main]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("rt-file-times-{}", std::process::id()));
/// let file = rt::fs::File::create(&path).await?;
/// let hour_ago = SystemTime::now() - Duration::from_secs(3600);
/// file.set_times(FileTimes::new().set_modified(hour_ago)).await?;
/// assert!(file.metadata().await?.modified()?.elapsed().unwrap() >= Duration::from_secs(3590));
/// # rt::fs::remove_file(&path).await
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "no file is changed before `File::set_times`"]
pub struct FileTimes {
    accessed: Option<SystemTime>,
    modified: Option<SystemTime>,
    #[cfg(any(windows, target_vendor = "apple"))]
    created: Option<SystemTime>,
}

impl FileTimes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time of the last read.
    pub fn set_accessed(self, t: SystemTime) -> Self {
        FileTimes { accessed: Some(t), ..self }
    }

    /// Sets the time of the last change of the contents.
    pub fn set_modified(self, t: SystemTime) -> Self {
        FileTimes { modified: Some(t), ..self }
    }

    /// Sets the time when the file was made.
    #[cfg(any(windows, target_vendor = "apple"))]
    pub fn set_created(self, t: SystemTime) -> Self {
        FileTimes { created: Some(t), ..self }
    }

    pub(super) fn into_std(self) -> std::fs::FileTimes {
        let mut times = std::fs::FileTimes::new();
        if let Some(accessed) = self.accessed {
            times = times.set_accessed(accessed);
        }
        if let Some(modified) = self.modified {
            times = times.set_modified(modified);
        }
        #[cfg(any(windows, target_vendor = "apple"))]
        if let Some(created) = self.created {
            #[cfg(target_vendor = "apple")]
            use std::os::darwin::fs::FileTimesExt;
            #[cfg(windows)]
            use std::os::windows::fs::FileTimesExt;
            times = times.set_created(created);
        }
        times
    }
}
