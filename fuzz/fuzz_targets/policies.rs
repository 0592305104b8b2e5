//! Fuzzes `ecru_fuzz::policies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::policies(bytes));
