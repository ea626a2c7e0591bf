//! Why something that the user wanted was not done.

use serde::Serialize;

use crate::printable::Printable;

/// Why a text or a command was refused. Nothing else has changed.
#[derive(Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are what the sentence is made of")]
pub enum Refusal {
    /// The text is too long.
    TooLong { limit: usize },
    /// Too many texts wait for their receipt.
    Full { waiting: usize },
    /// The input line is not UTF-8; to a program, the line is no command.
    #[serde(rename = "not_a_command")]
    NotUtf8,
    /// Nobody knows the command.
    UnknownCommand { command: Printable },
    /// The command takes nothing behind it.
    NeedlessArgument { command: Printable },
    /// The answer is of another kind than was asked for.
    NotAsked,
    /// The code is not shown again before it was checked.
    NotConfirmed,
    /// The room is not open yet.
    NotOpen,
    /// It is not possible while the connection is lost.
    NotConnected,
    /// Only the full screen has the command.
    NeedsScreen,
    /// `/send` came without a path.
    WhatToSend,
}

/// Why a command about files was refused.
#[derive(Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum FileRefusal {
    /// No offer can be accepted or declined: there is none.
    NothingOffered,
    /// The offer that was to be accepted or declined is no longer the current one.
    StaleOffer,
    /// No transfer can be cancelled: none is under way.
    NothingUnderWay,
}
