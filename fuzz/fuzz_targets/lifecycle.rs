//! Fuzzes `ecru_fuzz::lifecycle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::lifecycle(bytes));
