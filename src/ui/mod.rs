//! What people see and type: a full screen, lines on a terminal or in a pipe, every word in two languages.

pub mod commands;
pub mod emoji;
pub mod guard;
pub mod interface;
pub mod line;
pub mod messages;
pub mod printable;
pub mod time;
pub mod tui;
