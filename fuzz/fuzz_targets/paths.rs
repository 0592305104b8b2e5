//! Fuzzes `ecru_fuzz::paths`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::paths(bytes));
