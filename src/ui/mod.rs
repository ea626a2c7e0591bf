//! What people see and type: lines on a terminal or in a pipe, every word in two languages.

pub mod emoji;
pub mod line;
pub mod messages;
pub mod printable;
