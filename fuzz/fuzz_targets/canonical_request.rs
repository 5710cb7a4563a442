//! The bytes decided on are the bytes forwarded. Input: a request head.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateward::gateway::properties::decided_is_forwarded(data);
});
