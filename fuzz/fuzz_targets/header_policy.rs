//! A service finds one value for each header of ours. Input: header lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gateward::gateway::properties::one_value_each(data);
});
