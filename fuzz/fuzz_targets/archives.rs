//! Fuzzes `ecru_fuzz::archives`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::archives(bytes));
