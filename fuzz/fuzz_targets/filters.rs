//! Fuzzes `ecru_fuzz::filters`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::filters(bytes));
