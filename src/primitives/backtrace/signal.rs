//! Interrupting a thread, and what it does then.
//!
//! # Which signal
//!
//! `SIGURG`, for which Go took it too: it is ignored unless somebody handles it, so that one too many, or one
//! that comes after the handler is gone, ends nothing; debuggers pass it on without stopping; the C library does not use it; and
//! hardly any program does, since it announces out-of-band data on sockets, and only to those who ask for it with `F_SETOWN`.
//! One that comes from there is not from `tgkill`, and our handler ignores it.
//!
//! A program that handles it keeps its handler: we look before each capture, never replace what is not ours, and do without.
//!
//! # What the handler may do
//!
//! It may have interrupted anything, the allocator under its lock included. So it calls nothing of the C library, which
//! also leaves `errno` alone; takes no lock; allocates nothing; cannot panic. It reads thread-locals that need no
//! construction and that the thread has touched when it registered (in a library that was loaded later, the first touch
//! allocates); and of the stack only what lies between the interrupted function's stack pointer and the stack's end.
//! All signals are blocked in it, so that it is not interrupted itself. It runs on the thread's signal stack, if there is one, for
//! the interrupted code may be on a small stack of its own making.

use super::exchange::Page;
use super::{EXCHANGE, registration_here};
use libc::{c_int, c_long, c_void, siginfo_t, ucontext_t};
use std::ops::Range;
use std::ptr;

const SIGNAL: c_int = libc::SIGURG;

/// What a function with a frame pointer pushes: its caller's frame pointer, and the address to return to above it.
const FRAME: usize = 2 * size_of::<usize>();

/// Takes the signal if nobody has. Whether it comes to us.
pub(super) fn claim() -> bool {
    // SAFETY: a C structure of integers and an optional function, for which zeros are a value.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no new action; the pointer is valid for writes.
    if unsafe { libc::sigaction(SIGNAL, ptr::null(), &raw mut now) } != 0 {
        return false;
    }
    now.sa_sigaction == handler() || is_nobodys(&now) && take()
}

fn handler() -> usize {
    (on_signal as extern "C" fn(c_int, *mut siginfo_t, *mut c_void)) as usize
}

fn is_nobodys(action: &libc::sigaction) -> bool {
    action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN
}

fn take() -> bool {
    // SAFETY: as above.
    let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
    ours.sa_sigaction = handler();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the pointer is valid for writes.
    unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
    let mut before = ours;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, is there for as long as the program, and does only what
    // a handler may; both pointers are valid.
    if unsafe { libc::sigaction(SIGNAL, &raw const ours, &raw mut before) } != 0 {
        return false;
    }
    if is_nobodys(&before) || before.sa_sigaction == ours.sa_sigaction {
        return true;
    }
    // Somebody was quicker, after we had looked.
    // SAFETY: gives back what the system had.
    unsafe { libc::sigaction(SIGNAL, &raw const before, ptr::null_mut()) };
    false
}

/// Signals a thread of this process. False: there is none of this number.
pub(super) fn send(thread: libc::pid_t) -> bool {
    let process = c_long::from(std::process::id());
    // SAFETY: takes numbers only. It cannot reach another process, whose threads may have taken over the number.
    unsafe { libc::syscall(libc::SYS_tgkill, process, c_long::from(thread), c_long::from(SIGNAL)) == 0 }
}

// Never inlined: its address is compared.
#[inline(never)]
extern "C" fn on_signal(_signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the system passes a valid structure.
    if unsafe { (*info).si_code } != libc::SI_TKILL {
        return;
    }
    let (registration, stack) = registration_here();
    if let Some(mut page) = EXCHANGE.accept(registration) {
        // SAFETY: with SA_SIGINFO the system passes a valid `ucontext_t`, and nobody else has it while the handler runs.
        let registers = Registers::interrupted(unsafe { &*context.cast::<ucontext_t>() });
        // SAFETY: the registers are of this thread, and its stack, if known, is where it said when it registered. What lies
        // above the stack pointer is in use by the functions that this handler interrupted, hence mapped.
        unsafe { walk(&registers, stack, &mut page) };
        page.publish();
    }
}

/// What an interrupted thread had in its registers.
#[derive(Debug)]
struct Registers {
    program_counter: usize,
    frame_pointer: usize,
    stack_pointer: usize,
}

impl Registers {
    #[cfg(target_arch = "x86_64")]
    fn interrupted(context: &ucontext_t) -> Self {
        let registers = &context.uc_mcontext.gregs;
        Registers {
            program_counter: registers[libc::REG_RIP as usize] as usize,
            frame_pointer: registers[libc::REG_RBP as usize] as usize,
            stack_pointer: registers[libc::REG_RSP as usize] as usize,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn interrupted(context: &ucontext_t) -> Self {
        let registers = &context.uc_mcontext;
        Registers {
            program_counter: registers.pc as usize,
            frame_pointer: registers.regs[29] as usize,
            stack_pointer: registers.sp as usize,
        }
    }
}

/// Writes down where the thread is and follows its frames.
///
/// # Safety
///
/// If the stack pointer is in `stack`, then everything from there to the end of `stack` can be read, and nobody but this
/// thread writes there.
unsafe fn walk(registers: &Registers, stack: Range<usize>, page: &mut Page<'_>) {
    page.push(registers.program_counter);
    let mut lowest = registers.stack_pointer;
    let mut frame = registers.frame_pointer;
    // Somewhere else: a stack for signals, or one that the program made itself.
    if !stack.contains(&lowest) {
        return;
    }
    // A frame's caller lies above it. So each step goes up, and the walk ends.
    while !page.is_full()
        && frame >= lowest
        && frame <= stack.end.saturating_sub(FRAME)
        && frame.is_multiple_of(align_of::<usize>())
    {
        let words = ptr::with_exposed_provenance::<usize>(frame);
        // SAFETY: aligned, and both words lie between the stack pointer and the end of the stack, which the caller promises to
        // be readable. Volatile: the compiler knows nothing of these words.
        let next = unsafe { words.read_volatile() };
        // SAFETY: the end of the two words is in the stack.
        let above = unsafe { words.add(1) };
        // SAFETY: as for the first word.
        let caller = bare(unsafe { above.read_volatile() });
        if caller == 0 {
            return;
        }
        page.push(caller);
        // At most the end of the stack.
        lowest = frame + FRAME;
        frame = next;
    }
}

/// The address without the signature that aarch64 may have put into its upper bits. User space ends below them.
fn bare(address: usize) -> usize {
    if cfg!(target_arch = "aarch64") { address & ((1 << 48) - 1) } else { address }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::{Ask, Exchange, FRAMES};
    use super::*;

    /// Walks a stack of these words, from its beginning, with the first frame at the word of index `first`. Words under 100 that
    /// stand for frame pointers are indexes too.
    fn walked(words: &[usize], first: usize) -> Vec<usize> {
        let start = words.as_ptr().expose_provenance();
        let end = start + size_of_val(words);
        let registers = Registers {
            program_counter: 1000,
            frame_pointer: start + first * size_of::<usize>(),
            stack_pointer: start,
        };
        walk_in(&registers, start..end)
    }

    fn walk_in(registers: &Registers, stack: Range<usize>) -> Vec<usize> {
        let exchange = Exchange::new();
        assert_eq!(exchange.ask(1), Ask::Signal);
        let mut page = exchange.accept(1).unwrap();
        // SAFETY: the callers pass a slice that they have borrowed, or a stack that is not read.
        unsafe { walk(registers, stack, &mut page) };
        page.publish();
        exchange.answer().unwrap()
    }

    /// The words of a stack; `frames` are pairs of an index and a return address.
    fn stack(length: usize, frames: impl IntoIterator<Item = (usize, usize, usize)>) -> Vec<usize> {
        let mut words = vec![0; length];
        let start = words.as_ptr().addr();
        for (index, next, caller) in frames {
            words[index] = start + next * size_of::<usize>();
            words[index + 1] = caller;
        }
        words
    }

    #[test]
    fn a_walk_follows_the_frames_upwards() {
        let words = stack(12, [(1, 4, 2000), (4, 10, 3000), (10, 0, 4000)]);
        assert_eq!(walked(&words, 1), [1000, 2000, 3000, 4000]);
    }

    #[test]
    fn a_walk_ends_at_a_frame_that_does_not_lie_above_the_last() {
        for next in [0, 1, 3, 6, 7] {
            let words = stack(12, [(1, 6, 2000), (6, next, 3000), (3, 9, 4000)]);
            assert_eq!(walked(&words, 1), [1000, 2000, 3000], "{next}");
        }
    }

    #[test]
    fn a_walk_does_not_leave_the_stack() {
        // The second frame would have its return address behind the end.
        let words = stack(12, [(1, 11, 2000)]);
        assert_eq!(walked(&words, 1), [1000, 2000]);
        let mut words = stack(12, [(1, 4, 2000)]);
        words[1] = usize::MAX - 7;
        assert_eq!(walked(&words, 1), [1000, 2000]);
        assert_eq!(walked(&words, 12), [1000]);
    }

    #[test]
    fn a_walk_ends_at_a_frame_pointer_that_is_not_aligned() {
        let mut words = stack(12, [(1, 4, 2000), (4, 8, 3000)]);
        words[1] += 1;
        assert_eq!(walked(&words, 1), [1000, 2000]);
    }

    #[test]
    fn a_walk_ends_where_nobody_called() {
        let words = stack(12, [(1, 4, 2000), (4, 8, 0), (8, 10, 4000)]);
        assert_eq!(walked(&words, 1), [1000, 2000]);
    }

    #[test]
    fn a_walk_ends_with_the_page() {
        let words = stack(400, (0..190).map(|frame| (2 * frame, 2 * frame + 2, 2000)));
        assert_eq!(walked(&words, 0).len(), FRAMES);
    }

    #[test]
    fn a_thread_on_another_stack_or_on_one_that_is_not_known_has_one_address() {
        let registers = Registers { program_counter: 1000, frame_pointer: 1 << 20, stack_pointer: 1 << 20 };
        assert_eq!(walk_in(&registers, 0..0), [1000]);
        assert_eq!(walk_in(&registers, 1 << 21..1 << 22), [1000]);
    }
}
