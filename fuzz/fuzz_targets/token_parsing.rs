//! Nothing but what our keys signed is accepted. Input: a token, claims to sign, or a byte to change, as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateward::domain::token::properties::token_case(data);
});
