//! What people see and type: a full screen, lines on a terminal or in a pipe, every word in two languages.

pub mod commands;
pub mod complete;
pub mod editor;
pub mod guard;
mod input;
pub mod json;
pub mod keyboard;
pub mod keys;
pub mod line;
pub mod paths;
mod prompt;
pub mod recall;
pub mod rows;
mod stop;
pub mod time;
pub mod transfer;
pub mod tui;
pub mod typed;
pub mod words;
