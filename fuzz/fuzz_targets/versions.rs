//! Fuzzes `ecru_fuzz::versions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::versions(bytes));
