//! Fuzzes `ecru_fuzz::ranges`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::ranges(bytes));
