//! No service reads a path as one of another route. Input: a route table and a target, as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateward::gateway::properties::routing_case(data);
});
