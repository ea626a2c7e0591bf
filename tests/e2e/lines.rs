//! What is typed in lines: one row, whatever is shown meanwhile.

use crate::process::{self, Process, TETE};
use crate::pty::{CHAT, HALF, guest_with, gutters, host_with, leave, meeting, pair, room, room_with_script, text};
use crate::scratch::Scratch;
use crate::screen::room_with_script as room_with_script_on_screen;
use crate::terminal::{Display, Terminal, command, tete};

fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

#[test]
fn a_typed_command_stays_one_whatever_is_pasted_behind_it() {
    let folder = Scratch::new();
    let file = folder.path().join("a film.mkv");
    std::fs::write(&file, "pictures").unwrap();
    let (host, guest) = room();
    host.press(&format!("/send {}\r", paste(&format!("'{}'\n", file.display()))));
    host.shows("Offered to your partner: “a film.mkv” (8 B).");
    host.prompts(CHAT);
    host.press(&format!("/code {}\r", paste("same")));
    host.shows("your code ");
    host.prompts(CHAT);
    host.press(&format!("/sen{}\r", paste("d /etc/hostname")));
    assert_eq!(text(&guest, "/send", "hostname"), ["/send /etc/hostname"]);
    assert_eq!(gutters(&guest.rows()).len(), 1, "{:?}", guest.rows());
}

#[test]
fn what_is_typed_after_a_paste_goes_with_it() {
    let (mut host, mut guest) = room();
    host.press(&format!("a{} c", paste(" b")));
    host.prompts(&format!("{CHAT}a b c"));
    host.press(&format!("{}\x1b[D\x08!\r", paste("\nd")));
    assert_eq!(text(&guest, "a b c", "d"), ["a b c!d"]);
    leave(&mut host, &mut guest);
}

#[test]
fn a_line_that_is_not_taken_stays_and_comes_back() {
    let (host, guest) = room();
    host.answer(CHAT, "/wgo");
    host.shows("Unknown command /wgo");
    host.prompts(&format!("{CHAT}/wgo"));
    host.press("\x15");
    host.prompts(CHAT);
    host.press("\x1b[A");
    host.prompts(&format!("{CHAT}/wgo"));
    // It is still one that was typed.
    host.press("\x7f\x7fho\r");
    host.shows("verified, since ");
    assert_eq!(gutters(&guest.rows()).len(), 0, "{:?}", guest.rows());
}

#[test]
fn what_was_said_comes_back_with_the_arrows_and_then_the_draft() {
    let (host, guest) = room();
    for said in ["first", "second"] {
        host.answer(CHAT, said);
        assert_eq!(text(&guest, said, said), [said]);
    }
    host.prompts(CHAT);
    host.press("draft");
    for (key, row) in [("\x1b[A", "second"), ("\x10", "first"), ("\x1b[B", "second"), ("\x0e", "draft")] {
        host.press(key);
        host.prompts(&format!("{CHAT}{row}"));
    }
}

#[test]
fn the_keys_of_a_shell_edit_the_line() {
    let (host, guest) = room();
    let keys = [
        ("one two three", "one two three"),
        ("\x17", "one two "),
        ("\x19\x19", "one two threethree"),
        ("\x1bb\x1bb", "one "),
        ("\x1bd", "one "),
        ("\x01", ""),
        ("\x06\x02\x1bf", "one"),
        ("\x0b", "one"),
        ("\x14", "oen"),
        ("\x7f\x04", "oe"),
        ("\x1b[Hx\x1b[3~", "x"),
        ("\x05", "xe"),
        ("\x15", ""),
        ("你好👨‍👩‍👧x", "你好👨‍👩‍👧x"),
        ("\x1b[D\x1b[D", "你好"),
        ("\x7f", "你"),
    ];
    for (typed, before) in keys {
        host.press(typed);
        host.prompts(&format!("{CHAT}{before}"));
    }
    host.press("\r");
    assert_eq!(text(&guest, "你", "x"), ["你👨‍👩‍👧x"]);
}

#[test]
fn a_long_line_stays_in_its_row_and_arrives_whole() {
    let (mut host, mut guest) = room();
    let rows = host.rows().len();
    let said: String = (100..180).map(|number| format!("{number}…")).collect();
    host.press(&said);
    host.until("its end", |display| display.cursor_row().ends_with("179…").then_some(()));
    host.press("\x1b[H");
    host.prompts(CHAT);
    host.look(|display| assert!(display.rows().iter().rfind(|row| !row.is_empty()).unwrap().ends_with('>')));
    assert_eq!(host.rows().len(), rows, "{:?}", host.rows());
    host.press("\x1b[F!\r");
    assert_eq!(text(&guest, "100", "!").concat(), format!("{said}!"));
    // What was entered is there whole.
    host.prompts(CHAT);
    let own = host.rows().iter().filter(|row| !row.contains('│')).map(|row| row.trim()).collect::<String>();
    assert!(own.contains(&format!("{said}!")), "{own}");
    leave(&mut host, &mut guest);
}

#[test]
fn rows_that_come_while_one_types_never_mix_with_what_is_typed() {
    let (host, script) = room_with_script();
    let typed = "你abcdefghijklmnopqrstuvwxyz0123456789";
    let mut texts = Vec::new();
    for (place, key) in typed.chars().enumerate() {
        host.press(key.encode_utf8(&mut [0; 4]));
        for number in 0..8 {
            texts.push(format!("text {place} {number}"));
            script.say(texts.last().unwrap());
        }
    }
    host.until("the last text", |display| {
        gutters(&display.rows()).iter().any(|(_, row)| row.trim() == texts.last().unwrap()).then_some(())
    });
    host.prompts(&format!("{CHAT}{typed}"));
    let rows = host.rows();
    let shown: Vec<_> = gutters(&rows).into_iter().map(|(_, row)| row.trim().to_owned()).collect();
    assert_eq!(shown, texts);
    for (head, _) in gutters(&rows) {
        assert_eq!(head.split_once(' ').map(|(_, who)| who), Some("partner "), "{head}");
    }
    assert_eq!(rows.iter().filter(|row| row.starts_with(CHAT)).count(), 1, "{rows:#?}");
}

#[test]
fn what_was_left_of_an_answer_is_not_offered_for_the_next_caller() {
    let (host, port) = host_with(&[]);
    let mut first = guest_with(port, &[]);
    host.prompts(HALF);
    host.press("1234");
    host.prompts(&format!("{HALF}1234"));
    first.press("\x03");
    first.exit();
    host.shows("Waiting again in 5 s.");
    let second = guest_with(port, &[]);
    second.prompts(HALF);
    host.prompts(HALF);
    pair(&host, &second);
}

/// A program that was stopped leaves the terminal to the shell, and takes it again when it goes on.
#[test]
fn a_stop_gives_the_terminal_back_until_the_program_goes_on() {
    let (mut script, port) = process::host();
    let mut shell = command("sh", &["-i"]);
    shell.env("PS1", "$ ");
    let side = Terminal::start(shell);
    side.prompts("$ ");
    side.press(&format!("{TETE} --plain 127.0.0.1 {port}\r"));
    let half = script.until("code: ");
    script.say(&side.half());
    side.answer(HALF, &half);
    script.until("room open");
    side.prompts(CHAT);
    side.press("half a line");
    side.prompts(&format!("{CHAT}half a line"));
    side.press("\x1a");
    side.prompts("$ ");
    side.press("stty -a | grep -o ' icanon\\| echo ' | tr -d '\\n'\r");
    side.shows(" icanon echo $");
    script.say("while it was stopped");
    side.press("fg\r");
    side.shows("│ while it was stopped");
    side.prompts(&format!("{CHAT}half a line"));
    side.press(" and the rest\r");
    assert_eq!(script.text(), "half a line and the rest");
    side.press("/quit\r");
    side.prompts("$ ");
    assert_eq!(script.exit(), 0);
}

#[test]
fn a_dumb_terminal_gets_no_control_sequence() {
    let dumb = |args: &[&str]| {
        let mut command = tete(args);
        command.env("TERM", "dumb");
        Terminal::start(command)
    };
    let (mut script, port): (Process, u16) = process::host();
    let mut side = dumb(&["127.0.0.1", &port.to_string()]);
    let half = script.until("code: ");
    script.say(&side.half());
    side.answer(HALF, &half);
    script.until("room open");
    side.answer(CHAT, "/who");
    side.shows("verified, since ");
    side.answer(CHAT, "a text");
    assert_eq!(script.text(), "a text");
    script.say("an answer \x1b[2J");
    assert_eq!(text(&side, "an answer", "[2J"), ["an answer ␛[2J"]);
    side.answer(CHAT, "/quit");
    assert_eq!([side.exit() as i32, script.exit()], [0, 0]);
    side.look(|display: &mut Display| assert!(!display.raw().contains('\x1b'), "{:?}", display.raw()));
}

#[test]
fn the_code_and_the_chat_have_a_prompt_each_and_between_them_there_is_none() {
    let (host, guest) = meeting();
    let halves = [host.half(), guest.half()];
    host.answer(HALF, &halves[1]);
    host.shows("Correct. Waiting for your partner");
    host.prompts("");
    host.press("nobody hears this\x0c");
    host.until("that the keys were read", |display| display.raw().contains("\x1b[2J").then_some(()));
    guest.answer(HALF, &halves[0]);
    host.prompts(CHAT);
}

/// Two people, in lines or at full screens, and what the one reads of the other.
#[track_caller]
fn rooms(test: impl Fn(&Terminal, &dyn Fn(&[&str]))) {
    let (host, guest) = room();
    test(&host, &|expected| assert_eq!(text(&guest, expected[0], expected[expected.len() - 1]), expected));
    let (mut script, person, _relay) = room_with_script_on_screen();
    let texts = std::cell::RefCell::new(&mut script);
    test(&person, &|expected| assert_eq!(texts.borrow_mut().text(), expected.join("␤")));
}

#[test]
fn a_paste_that_is_not_marked_as_one_is_one_text_and_is_asked_about() {
    rooms(|side, says| {
        side.press("first line\rsecond line\n\r\nlast line\r");
        side.shows("Enter sends it.");
        says(&["first line", "second line", "", "last line"]);
    });
}

#[test]
fn an_escape_at_the_end_of_a_read_belongs_to_what_follows() {
    rooms(|side, says| {
        side.press("ab");
        for part in ["\x1b", "[", "D", "\x1b", "\r", "\x1b[20", "0~x\x1b", "[201~"] {
            side.press(part);
        }
        side.press("\x1b[F!\r");
        says(&["a", "xb!"]);
    });
}

#[test]
fn no_sequence_without_an_end_silences_the_keyboard() {
    rooms(|side, says| {
        side.press("\x1b[200~lost");
        side.shows("A paste has no end. Ctrl-C twice drops it.");
        side.press("\x03");
        side.press("\x03");
        side.shows("The paste was dropped.");
        for begun in ["\x1b[<64;1", "\x1b]11;rgb", "\x1bP1$r", "\x1b_G"] {
            // A key that empties the input is no part of it.
            side.press(&format!("{begun}\x15"));
        }
        side.press("heard\r");
        says(&["heard"]);
    });
}

#[test]
fn answers_of_the_terminal_are_not_typed() {
    rooms(|side, says| {
        let answers = [
            "]11;rgb:0000/0000/0000\x1b\\",
            "]11;rgb:0/0/0\x07",
            "P1+r544e\x1b\\",
            "_Gi=1;OK\x1b\\",
            "[>41;0;0c",
            "[?1u",
            "[0n",
            "[5;7R",
        ];
        side.press("a");
        answers.iter().for_each(|answer| side.press(&format!("\x1b{answer}")));
        side.press("b\r");
        says(&["ab"]);
    });
}

#[test]
fn keys_are_read_in_the_encodings_that_a_program_before_has_left_behind() {
    rooms(|side, says| {
        side.press("\x1b[72;2u\x1b[27;1;105~\x1b[13;2u\x1b[200~a\x1b[27;5;106~\x1b[10;1ub\x1b[201~\x1b[67;46;33;1;16;1_\x1b[13u");
        says(&["Hi", "aj", "b!"]);
    });
}

#[test]
fn a_path_that_is_pasted_alone_is_offered_only_when_that_is_agreed_to() {
    let folder = Scratch::new();
    let file = folder.path().join("a film.mkv");
    std::fs::write(&file, "pictures").unwrap();
    let dragged = format!("'{}' ", file.display());
    let (host, guest) = room();
    host.press(&paste(&dragged));
    host.shows("Send “a film.mkv” to your partner? Enter: send Esc: no, it is a message");
    host.press("\x1b");
    // Esc waits for what it may begin.
    host.enters(|| guest.words().contains("a film.mkv"));
    host.prompts(CHAT);
    host.press(&paste(&dragged));
    host.shows_times("Send “a film.mkv” to your partner?", 2);
    host.enters(|| guest.words().contains("wants to send you “a film.mkv”"));

    let (mut script, person, _relay) = room_with_script_on_screen();
    person.press(&paste(&format!("file://{}\r\n", file.display().to_string().replace(' ', "%20"))));
    person.shows("Send “a film.mkv” to your partner?");
    person.enters(|| person.words().contains("Offered to your partner"));
    script.until("Your partner offered “a film.mkv”");
}

#[test]
fn tab_lists_in_lines_what_is_possible() {
    let (host, _guest) = room();
    host.press("/code \t");
    host.shows("different same");
    host.press("\x15/d\t");
    host.shows("decline doctor");
}
