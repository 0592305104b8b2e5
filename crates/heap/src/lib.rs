//! How many heaps the C library keeps: memory that was given back to one of them serves no other, so that a server with many
//! threads grows for hours.

/// Has all threads share so many heaps, instead of eight for each core. Does nothing where the C library is not glibc.
///
/// To be called while there is one thread: heaps that exist already stay.
pub fn share(heaps: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::share(heaps);
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = heaps;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    #[expect(unsafe_code, reason = "nothing safe reaches this setting; see decision 5")]
    pub(super) fn share(heaps: usize) {
        let heaps = c_int::try_from(heaps).unwrap_or(c_int::MAX);
        // SAFETY: takes two numbers, and neither reads nor writes memory of the program.
        let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
        // Without it the server works as well, in more memory.
        debug_assert_eq!(taken, 1, "glibc knows this setting since 2.10");
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Barrier};
    use std::{fs, thread};

    use super::*;

    const THREADS: usize = 12;
    /// Of this size are the heaps beside the first one, and so they are aligned.
    const HEAP_BYTES: u64 = 64 << 20;

    /// The heaps that threads have, as the system sees them.
    fn heaps() -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let starts = maps.lines().filter(|line| line.contains("rw-p 00000000 00:00 0"));
        let starts = starts.filter_map(|line| u64::from_str_radix(line.split_once('-')?.0, 16).ok());
        let aligned = starts.filter(|start| start % HEAP_BYTES == 0);
        aligned.collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn threads_share_what_heaps_there_are() {
        share(2);
        let before = heaps();
        let all = Arc::new(Barrier::new(THREADS));
        let threads = (0..THREADS).map(|_| {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let kept = vec![7_u8; 50_000];
                all.wait();
                kept.len()
            })
        });
        let threads = threads.collect::<Vec<_>>();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 50_000);
        }
        assert!(heaps() <= before.max(1), "{} heaps after {before}", heaps());
    }
}
