//! The attack corpus against the program, with the recorder behind it.

mod card;
mod recording;
