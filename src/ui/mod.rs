//! What people see and type: a full screen, lines on a terminal or in a pipe, every word in two languages.

mod asked;
pub mod commands;
pub mod complete;
pub mod counter;
pub mod emoji;
pub mod guard;
mod input;
pub mod interface;
pub mod json;
pub mod line;
pub mod messages;
pub mod printable;
pub mod time;
pub mod tui;
