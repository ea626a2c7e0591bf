//! tete: an end-to-end encrypted private chat for exactly two people, in the terminal.
#![forbid(unsafe_code)]

pub mod protocol;
