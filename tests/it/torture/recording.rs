//! That the engine tells a good gateway from a bad one, and refuses to judge what it cannot.
