//! What a source can be waited for, and what it is ready for.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

/// What to wait for.
///
/// Several can be joined with `|`.
///
/// ```
/// use rt::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

/// What a source is ready for, one or several things.
///
/// Readiness is a hint: an operation may still find that it would block, and then it waits for the next event.
///
/// ```
/// use rt::io::Ready;
///
/// let ready = Ready::READABLE | Ready::READ_CLOSED;
/// assert!(ready.is_readable() && ready.is_read_closed() && !ready.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Interest {
    /// Something can be read, or the end has been reached.
    pub const READABLE: Interest = Interest(1 << 0);
    /// Something can be written, or the other end reads no more.
    pub const WRITABLE: Interest = Interest(1 << 1);
    /// Something urgent has arrived: out-of-band data on a TCP socket, a change in some files of `/proc` and `/sys`.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[cfg_attr(docsrs, doc(cfg(any(target_os = "linux", target_os = "android"))))]
    pub const PRIORITY: Interest = Interest(Self::PRIORITY_BIT);
    /// Something went wrong.
    pub const ERROR: Interest = Interest(1 << 3);

    const PRIORITY_BIT: u8 = 1 << 2;

    /// Whether readability is asked for.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Whether writability is asked for.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Whether urgent data is asked for.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[cfg_attr(docsrs, doc(cfg(any(target_os = "linux", target_os = "android"))))]
    pub const fn is_priority(self) -> bool {
        self.0 & Self::PRIORITY_BIT != 0
    }

    /// Whether errors are asked for.
    pub const fn is_error(self) -> bool {
        self.0 & Self::ERROR.0 != 0
    }

    /// Both this and `other`, as `|` does.
    #[must_use = "it does not change the interest it is called on"]
    #[allow(clippy::should_implement_trait, reason = "tokio's name; it can be called in constants, unlike `|`")]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// This without `other`; `None` if nothing is left.
    #[must_use = "it does not change the interest it is called on"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Interest(left))
    }

    /// What ends a wait for this, and what an operation clears that finds it would block.
    pub(super) fn mask(self) -> Ready {
        let mut mask = Ready::SHUT_DOWN;
        for (bit, ready) in [
            (Self::READABLE.0, Ready::READABLE | Ready::READ_CLOSED),
            (Self::WRITABLE.0, Ready::WRITABLE | Ready::WRITE_CLOSED),
            (Self::PRIORITY_BIT, Ready(Ready::PRIORITY_BIT) | Ready::READ_CLOSED),
            (Self::ERROR.0, Ready::ERROR),
        ] {
            if self.0 & bit != 0 {
                mask |= ready;
            }
        }
        mask
    }

    /// How the poller is told.
    pub(super) fn to_mio(self) -> mio::Interest {
        let asked = [
            self.is_readable().then_some(mio::Interest::READABLE),
            self.is_writable().then_some(mio::Interest::WRITABLE),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            self.is_priority().then_some(mio::Interest::PRIORITY),
        ];
        // Errors are told to whoever has registered for anything.
        asked.into_iter().flatten().reduce(mio::Interest::add).unwrap_or(mio::Interest::READABLE)
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = *self | other;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names(f, self.0, &["READABLE", "WRITABLE", "PRIORITY", "ERROR"])
    }
}

impl Ready {
    /// Nothing.
    pub const EMPTY: Ready = Ready(0);
    /// Something can be read.
    pub const READABLE: Ready = Ready(1 << 0);
    /// Something can be written.
    pub const WRITABLE: Ready = Ready(1 << 1);
    /// The other end writes no more.
    pub const READ_CLOSED: Ready = Ready(1 << 2);
    /// The other end reads no more.
    pub const WRITE_CLOSED: Ready = Ready(1 << 3);
    /// Something urgent has arrived.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[cfg_attr(docsrs, doc(cfg(any(target_os = "linux", target_os = "android"))))]
    pub const PRIORITY: Ready = Ready(Self::PRIORITY_BIT);
    /// Something went wrong.
    pub const ERROR: Ready = Ready(1 << 5);
    /// Everything.
    pub const ALL: Ready = Ready((1 << 6) - 1);

    const PRIORITY_BIT: u8 = 1 << 4;
    /// The reactor is gone.
    pub(super) const SHUT_DOWN: Ready = Ready(1 << 6);
    /// Since reading last found nothing, an event spoke of an end, an error or urgent data: a short read need not mean
    /// that nothing is left.
    pub(super) const UNUSUAL: Ready = Ready(1 << 7);
    /// What never passes.
    pub(super) const LASTING: Ready = Ready(Self::READ_CLOSED.0 | Self::WRITE_CLOSED.0 | Self::SHUT_DOWN.0);

    /// Whether it is ready for nothing.
    pub fn is_empty(self) -> bool {
        self == Ready::EMPTY
    }

    /// Whether a read would not block: there is something, or the end.
    pub fn is_readable(self) -> bool {
        self.contains_any(Ready::READABLE | Ready::READ_CLOSED)
    }

    /// Whether a write would not block: there is room, or nobody reads any more.
    pub fn is_writable(self) -> bool {
        self.contains_any(Ready::WRITABLE | Ready::WRITE_CLOSED)
    }

    /// Whether the other end writes no more.
    pub fn is_read_closed(self) -> bool {
        self.contains_any(Ready::READ_CLOSED)
    }

    /// Whether the other end reads no more.
    pub fn is_write_closed(self) -> bool {
        self.contains_any(Ready::WRITE_CLOSED)
    }

    /// Whether something urgent has arrived.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[cfg_attr(docsrs, doc(cfg(any(target_os = "linux", target_os = "android"))))]
    pub fn is_priority(self) -> bool {
        self.contains_any(Ready::PRIORITY)
    }

    /// Whether something went wrong.
    pub fn is_error(self) -> bool {
        self.contains_any(Ready::ERROR)
    }

    pub(super) fn contains_any(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Ready {
        Ready(bits)
    }

    pub(super) fn of(event: &mio::event::Event) -> Self {
        let mut ready = Ready::EMPTY;
        for (is, bits) in [
            (event.is_readable(), Ready::READABLE),
            (event.is_writable(), Ready::WRITABLE),
            (event.is_read_closed(), Ready::READ_CLOSED | Ready::UNUSUAL),
            (event.is_write_closed(), Ready::WRITE_CLOSED | Ready::UNUSUAL),
            // Whatever is tried next tells of the error instead of blocking.
            (event.is_error(), Ready::ERROR | Ready::READABLE | Ready::WRITABLE | Ready::UNUSUAL),
            (event.is_priority(), Ready(Ready::PRIORITY_BIT) | Ready::UNUSUAL),
        ] {
            if is {
                ready |= bits;
            }
        }
        ready
    }
}

impl BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        *self = *self | other;
    }
}

impl BitAnd for Ready {
    type Output = Ready;

    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl Sub for Ready {
    type Output = Ready;

    fn sub(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        names(
            f,
            self.0,
            &["READABLE", "WRITABLE", "READ_CLOSED", "WRITE_CLOSED", "PRIORITY", "ERROR", "SHUT_DOWN", "UNUSUAL"],
        )
    }
}

/// The names of the bits that are set.
fn names(f: &mut fmt::Formatter<'_>, bits: u8, names: &[&str]) -> fmt::Result {
    let mut set = (0..names.len()).filter(|index| bits >> index & 1 != 0).map(|index| names[index]);
    f.write_str(set.next().unwrap_or("EMPTY"))?;
    set.try_for_each(|name| write!(f, " | {name}"))
}

impl Direction {
    pub(super) fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}
