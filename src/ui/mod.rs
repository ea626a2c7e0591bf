//! What people see and type: a full screen, lines on a terminal or in a pipe, every word in two languages.

pub mod commands;
pub mod complete;
pub mod guard;
mod input;
pub mod json;
pub mod line;
mod prompt;
pub mod time;
pub mod transfer;
pub mod tui;
pub mod words;
