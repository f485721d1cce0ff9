//! Timers linked through themselves, in circles that their list's head closes: so one leaves its list without knowing which that is.

use super::word::Word;
use crate::primitives::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

/// What a wheel knows of one timer. It lies in the timer itself.
///
/// An *armed* entry is in one list of one wheel, and has a waker. It must not move, and not be dropped, before it was taken out, or its word says
/// that it has fired or was closed. It is the holder's of the wheel's lock; one that is not armed is its owner's.
// In this order: a node that is no head is the beginning of an entry.
#[repr(C)]
pub(super) struct Entry {
    node: Node,
    pub(super) word: Word,
    /// There while the entry is armed.
    waker: UnsafeCell<MaybeUninit<Waker>>,
}

/// The head of a list, or an entry's part in one.
pub(super) struct Node {
    /// There while the node is a head, or in a list.
    links: UnsafeCell<MaybeUninit<Links>>,
    /// Its neighbours point to it.
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy)]
struct Links {
    previous: *const Node,
    next: *const Node,
}

// SAFETY: what is in cells is touched by the holder of the wheel's lock while the entry is armed, and by the owner else; the word says which, and
// its transitions publish what was written. What it has of the outside is a waker, which is `Send` and `Sync`.
unsafe impl Send for Entry {}
// SAFETY: as above; through a shared reference only the word can be touched without an unsafe block.
unsafe impl Sync for Entry {}

impl Entry {
    /// Idle, with a deadline or 0.
    #[inline]
    pub(super) fn new(deadline: u64) -> Self {
        Entry { node: Node::new(), word: Word::new(deadline), waker: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Gives an entry its waker.
    ///
    /// # Safety
    ///
    /// It has none, and is the caller's.
    #[inline(always)]
    pub(super) unsafe fn put_waker(&self, waker: Waker) {
        self.waker.with_mut(|place| {
            // SAFETY: nobody else has a reference, as the caller promises.
            unsafe { &mut *place }.write(waker);
        });
    }

    /// Takes an entry's waker out. It has none afterwards.
    ///
    /// # Safety
    ///
    /// It has one, and is the caller's.
    #[inline(always)]
    pub(super) unsafe fn take_waker(&self) -> Waker {
        self.waker.with_mut(|place| {
            // SAFETY: nobody else has a reference, as the caller promises.
            let place = unsafe { &*place };
            // SAFETY: it is there, and is not read a second time.
            unsafe { place.assume_init_read() }
        })
    }

    /// Whether an entry's waker is the same.
    ///
    /// # Safety
    ///
    /// It has one, and is the caller's.
    pub(super) unsafe fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.with_mut(|place| {
            // SAFETY: nobody else has a reference, as the caller promises.
            let place = unsafe { &*place };
            // SAFETY: it is there.
            unsafe { place.assume_init_ref() }.will_wake(waker)
        })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.word.fmt(f)
    }
}

impl Node {
    #[inline]
    pub(super) fn new() -> Self {
        Node { links: UnsafeCell::new(MaybeUninit::uninit()), _pinned: PhantomPinned }
    }

    /// # Safety
    ///
    /// The node is live and has links, and the caller holds the lock of the wheel that it belongs to.
    #[inline(always)]
    unsafe fn with<R>(this: *const Node, f: impl FnOnce(&mut Links) -> R) -> R {
        // SAFETY: it is live.
        let node = unsafe { &*this };
        node.links.with_mut(|links| {
            // SAFETY: nobody else has a reference: the only code that is called with one is here, and touches no other.
            let links = unsafe { &mut *links };
            // SAFETY: they are there.
            f(unsafe { links.assume_init_mut() })
        })
    }

    /// # Safety
    ///
    /// The node is live, and the caller holds the lock of the wheel that it belongs to, or owns it.
    #[inline(always)]
    unsafe fn set(this: *const Node, links: Links) {
        // SAFETY: it is live.
        let node = unsafe { &*this };
        node.links.with_mut(|place| {
            // SAFETY: nobody else has a reference.
            unsafe { &mut *place }.write(links);
        });
    }

    /// Makes a node the head of an empty list. It stays where it is from now on.
    ///
    /// # Safety
    ///
    /// The caller owns the node, and drops it only when the list is empty.
    pub(super) unsafe fn become_head(&self) {
        let this: *const Node = self;
        // SAFETY: it is live and the caller's.
        unsafe { Node::set(this, Links { previous: this, next: this }) };
    }

    /// The first entry of the list of a head.
    ///
    /// # Safety
    ///
    /// This is a head, and the caller holds the lock of its wheel.
    #[inline]
    pub(super) unsafe fn first(&self) -> Option<NonNull<Entry>> {
        // SAFETY: as the caller promises.
        let next = unsafe { Node::with(self, |links| links.next) };
        self.entry(next)
    }

    /// The entry after one of the list of a head.
    ///
    /// # Safety
    ///
    /// This is a head, the entry is in its list, and the caller holds the lock of its wheel.
    pub(super) unsafe fn after(&self, entry: NonNull<Entry>) -> Option<NonNull<Entry>> {
        // SAFETY: what is in a list is live.
        let next = unsafe { Node::with(entry.as_ptr().cast(), |links| links.next) };
        self.entry(next)
    }

    /// The last entry of the list of a head.
    ///
    /// # Safety
    ///
    /// This is a head, and the caller holds the lock of its wheel.
    pub(super) unsafe fn last(&self) -> Option<NonNull<Entry>> {
        // SAFETY: as the caller promises.
        let previous = unsafe { Node::with(self, |links| links.previous) };
        self.entry(previous)
    }

    /// The entry before one of the list of a head.
    ///
    /// # Safety
    ///
    /// This is a head, the entry is in its list, and the caller holds the lock of its wheel.
    pub(super) unsafe fn before(&self, entry: NonNull<Entry>) -> Option<NonNull<Entry>> {
        // SAFETY: what is in a list is live.
        let previous = unsafe { Node::with(entry.as_ptr().cast(), |links| links.previous) };
        self.entry(previous)
    }

    /// A node of the list of a head, unless it is the head.
    fn entry(&self, node: *const Node) -> Option<NonNull<Entry>> {
        if std::ptr::eq(node, self) { None } else { NonNull::new(node.cast_mut().cast()) }
    }

    /// Puts an entry at the end of the list of a head.
    ///
    /// # Safety
    ///
    /// This is a head, and the caller holds the lock of its wheel. The entry is live, in no list, and stays live until it was taken out; the
    /// caller owns it, or it is armed in that wheel.
    #[inline]
    pub(super) unsafe fn push(&self, entry: NonNull<Entry>) {
        let (head, node): (*const Node, *const Node) = (self, entry.as_ptr().cast());
        // SAFETY: as the caller promises.
        let last = unsafe { Node::with(head, |links| std::mem::replace(&mut links.previous, node)) };
        // SAFETY: the last is the head, or what is in its list is live.
        unsafe { Node::with(last, |links| links.next = node) };
        // SAFETY: the entry is live, and nobody else touches its links.
        unsafe { Node::set(node, Links { previous: last, next: head }) };
    }

    /// Moves the whole list of a head to the end of another's.
    ///
    /// # Safety
    ///
    /// Both are heads of one wheel, and not the same, and the caller holds its lock.
    pub(super) unsafe fn append_to(&self, other: &Node) {
        let (this, that): (*const Node, *const Node) = (self, other);
        // SAFETY: as the caller promises.
        let Links { previous: last, next: first } = unsafe { Node::with(this, |links| *links) };
        if std::ptr::eq(first, this) {
            return;
        }
        // SAFETY: as above.
        unsafe { Node::set(this, Links { previous: this, next: this }) };
        // SAFETY: as above.
        let end = unsafe { Node::with(that, |links| std::mem::replace(&mut links.previous, last)) };
        // SAFETY: it is a head, or what is in a list is live; so are the others.
        unsafe { Node::with(end, |links| links.next = first) };
        // SAFETY: as above.
        unsafe { Node::with(first, |links| links.previous = end) };
        // SAFETY: as above.
        unsafe { Node::with(last, |links| links.next = that) };
    }
}

impl Entry {
    /// Takes an entry out of its list.
    ///
    /// # Safety
    ///
    /// The entry is in a list, and the caller holds the lock of its wheel.
    #[inline]
    pub(super) unsafe fn leave(this: NonNull<Entry>) {
        // SAFETY: what is in a list is live.
        let Links { previous, next } = unsafe { Node::with(this.as_ptr().cast(), |links| *links) };
        // SAFETY: neighbours are in the same list, or its head. They may be one and the same.
        unsafe { Node::with(previous, |links| links.next = next) };
        // SAFETY: as above.
        unsafe { Node::with(next, |links| links.previous = previous) };
    }
}
