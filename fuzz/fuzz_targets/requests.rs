//! Fuzzes `ecru_fuzz::requests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::requests(bytes));
