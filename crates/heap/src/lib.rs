//! Limits the freed memory that the C library keeps. With the library's defaults, the memory of a server with
//! many threads grows for hours.

/// Limits all threads together to `heaps` heaps; the default is up to eight per core. Memory that is freed in
/// one heap is not available to the others. Large allocations are returned to the system. Does nothing if the
/// C library is not glibc.
///
/// Must be called while the process has one thread, because existing heaps remain.
pub fn share(heaps: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::share(heaps);
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = heaps;
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    /// Allocations from this size on are mapped from the system and unmapped when freed. The buffers for
    /// bodies are smaller: mapping each of them costs 40 % more processor time.
    const MAPPED_FROM_BYTES: c_int = 1024 * 1024;
    /// The free memory that may remain at the end of a heap. The buffers that a push uses in turn fit into
    /// it.
    const FREE_BYTES_MAX: c_int = 2 * 1024 * 1024;

    pub(super) fn share(heaps: usize) {
        set(libc::M_ARENA_MAX, c_int::try_from(heaps).unwrap_or(c_int::MAX));
        set(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES);
        set(libc::M_TRIM_THRESHOLD, FREE_BYTES_MAX);
    }

    #[expect(unsafe_code, reason = "nothing safe reaches these settings; see decision 5")]
    fn set(setting: c_int, value: c_int) {
        // SAFETY: the call takes two numbers. It neither reads nor writes memory of the program.
        let taken = unsafe { libc::mallopt(setting, value) };
        // Without the setting the server works too, but uses more memory.
        debug_assert_eq!(taken, 1, "glibc has known these settings since 2.10");
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Barrier};
    use std::{fs, thread};

    use super::*;

    const THREADS: usize = 12;
    /// The size and alignment of the heaps other than the first.
    const HEAP_BYTES: u64 = 64 << 20;

    /// The number of heaps in use, from the system's list of mappings.
    fn heaps() -> usize {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let writable = maps.lines().filter(|line| line.contains("rw-p 00000000 00:00 0"));
        let starts = writable.filter_map(|line| u64::from_str_radix(line.split_once('-')?.0, 16).ok());
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
