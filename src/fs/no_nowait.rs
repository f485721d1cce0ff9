//! For systems that cannot be asked to read without waiting: takes the place of `nowait`.

use std::fs::File;
use tokio::io::ReadBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the names are those of the other module")]
pub(super) enum AtOnce {
    Unknown,
    Never,
}

impl AtOnce {
    pub(super) fn of_new(_file: &File) -> Self {
        AtOnce::Never
    }

    pub(super) fn of(_is_in_memory: bool) -> Self {
        AtOnce::Never
    }
}

pub(super) fn read(_file: &File, _at_once: &mut AtOnce, _buffer: &mut ReadBuf<'_>, _most: usize) -> bool {
    false
}

pub(super) fn is_in_memory(_file: &File) -> bool {
    false
}
