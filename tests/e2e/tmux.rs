//! Two people in tmux: a terminal of its own kind between the program and the display.

use std::process::Command;
use std::time::Duration;

use crate::process::{TETE, now};
use crate::relay::Relay;
use crate::terminal::port_in;

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server of its own, ended with the test.
struct Tmux(String);

impl Tmux {
    /// `None` where there is no tmux.
    fn start() -> Option<Self> {
        Command::new("tmux").arg("-V").output().ok()?;
        Some(Self(format!("tete-test-{}", std::process::id())))
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-L", &self.0, "-f", "/dev/null"]).args(args);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A shell in a window of 80 columns and 24 rows.
    fn window(&self, name: &str) {
        self.run(&["new-session", "-d", "-s", name, "-x", "80", "-y", "24", "bash --norc"]);
        self.run(&["set", "-g", "status", "off"]);
    }

    fn types(&self, window: &str, text: &str) {
        self.run(&["send-keys", "-t", window, "-l", text]);
    }

    fn press(&self, window: &str, keys: &[&str]) {
        self.run(&[&["send-keys", "-t", window], keys].concat());
    }

    fn screen(&self, window: &str) -> String {
        self.run(&["capture-pane", "-p", "-t", window])
    }

    #[track_caller]
    fn until<R>(&self, window: &str, what: &str, look: impl Fn(&str) -> Option<R>) -> R {
        let limit = now() + PATIENCE;
        loop {
            let screen = self.screen(window);
            if let Some(found) = look(&screen) {
                return found;
            }
            if screen.contains("as fast as a paste") {
                self.press(window, &["Enter"]);
            }
            assert!(now() < limit, "{window} does not show {what:?}, but:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn shows(&self, window: &str, words: &str) {
        self.until(window, words, |screen| screen.contains(words).then_some(()));
    }

    fn half(&self, window: &str) -> String {
        let digits = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        self.until(window, "a half", |screen| {
            let half = |row: &&str| row.trim().split_once(' ').is_some_and(|(a, b)| digits(a) && digits(b));
            screen.lines().find(half).map(|row| row.trim().to_owned())
        })
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").args(["-L", &self.0, "kill-server"]).output();
    }
}

#[test]
fn an_evening_in_tmux() {
    let Some(tmux) = Tmux::start() else { return println!("left out: there is no tmux") };
    tmux.window("host");
    tmux.window("guest");
    tmux.types("host", &format!("{TETE} --port 0 --bind 127.0.0.1"));
    tmux.press("host", &["Enter"]);
    let port = tmux.until("host", "a port", |screen| port_in(&screen.split_whitespace().collect::<Vec<_>>().join(" ")));
    let relay = Relay::new(port);
    tmux.types("guest", &format!("{TETE} 127.0.0.1 {}", relay.port));
    tmux.press("guest", &["Enter"]);

    // The code.
    let halves = [tmux.half("host"), tmux.half("guest")];
    tmux.types("host", &halves[1]);
    tmux.press("host", &["Enter"]);
    tmux.types("guest", &halves[0]);
    tmux.press("guest", &["Enter"]);
    tmux.shows("host", "The room is open");
    tmux.shows("guest", "The room is open");

    // A talk with edits in the middle of a line.
    tmux.types("host", "你好🙂");
    tmux.press("host", &["Left"]);
    tmux.types("host", "，晚上好");
    tmux.shows("host", "› 你好，晚上好🙂");
    let cursor = tmux.run(&["display", "-p", "-t", "host", "#{cursor_x} #{cursor_y}"]);
    assert_eq!(cursor.trim(), "14 23");
    tmux.press("host", &["Enter"]);
    tmux.shows("guest", "partner │ 你好，晚上好🙂");
    tmux.shows("host", "you ✓ 你好，晚上好🙂");

    // A paste of a hundred lines.
    let lines: Vec<_> = (0..100).map(|number| format!("line {number}.")).collect();
    tmux.run(&["set-buffer", &lines.join("\n")]);
    tmux.run(&["paste-buffer", "-p", "-t", "guest"]);
    tmux.shows("guest", "Paste 100 lines?");
    tmux.press("guest", &["Enter"]);
    tmux.shows("guest", "  line 99.");
    tmux.press("guest", &["Enter"]);
    tmux.shows("host", "│ line 99.");
    tmux.press("host", &["PageUp"]);
    tmux.shows("host", "↓ Ctrl-End");
    tmux.press("host", &["C-End"]);

    // A storm of sizes.
    tmux.types("host", "half a sentence 写到一半");
    for step in 0..40 {
        let size = [20 + step * 13 % 140, 5 + step * 7 % 40].map(|cells: u32| cells.to_string());
        tmux.run(&["resize-window", "-t", "host", "-x", &size[0], "-y", &size[1]]);
    }
    tmux.run(&["resize-window", "-t", "host", "-x", "80", "-y", "24"]);
    tmux.until("host", "everything in its place", |screen| {
        let rows: Vec<_> = screen.lines().collect();
        let texts = rows.iter().filter(|row| row.contains("│ line ")).count();
        (rows.get(23) == Some(&"› half a sentence 写到一半") && texts == 22).then_some(())
    });
    tmux.press("host", &["C-c"]);

    // The line drops and returns.
    relay.cut();
    tmux.shows("guest", " reconnecting: attempt");
    tmux.types("guest", "said while it was cut");
    tmux.press("guest", &["Enter"]);
    tmux.shows("guest", "you ◌ said while it was cut");
    relay.mend();
    tmux.shows("guest", "you ✓ said while it was cut");
    tmux.shows("host", "partner │ said while it was cut");

    // Suspended, and back.
    tmux.press("guest", &["C-z"]);
    tmux.shows("guest", "Stopped");
    assert!(!tmux.screen("guest").contains("said while"), "{}", tmux.screen("guest"));
    tmux.types("guest", "fg");
    tmux.press("guest", &["Enter"]);
    tmux.shows("guest", "you ✓ said while it was cut");

    // The end.
    tmux.types("guest", "/quit");
    tmux.press("guest", &["Enter"]);
    tmux.shows("host", "This room is closed. Enter quits.");
    let is_shell = |screen: &str| screen.trim_end().ends_with(['$', '#']).then_some(());
    tmux.until("host", "the shell", |screen| {
        // A key that comes too soon does nothing.
        tmux.press("host", &["Enter"]);
        is_shell(screen)
    });
    for window in ["host", "guest"] {
        tmux.until(window, "the shell", is_shell);
        tmux.types(window, "echo code $?");
        tmux.press(window, &["Enter"]);
        tmux.shows(window, "code 0");
        assert!(!tmux.screen(window).contains("你好"), "{}", tmux.screen(window));
    }
}
