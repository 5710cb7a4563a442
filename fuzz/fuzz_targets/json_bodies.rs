//! A body is accepted as it stands or refused without its values. Input: a body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateward::api::properties::body_case(data);
});
