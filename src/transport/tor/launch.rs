//! The tor process that is started for a room.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::{POLL, START, within};
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;
use crate::transport::error::TorError;

/// A tor process of ours and the folder it works in. Dropping it ends the process and removes the folder.
pub(super) struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// Whether it has not ended.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // Until it is gone it may create further files.
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts a tor in a folder of its own. Returns the address of its control port and the path of its cookie.
pub(super) async fn launch(config: Option<&str>) -> Result<(Process, String, PathBuf), TorError> {
    let folder = private_folder()?;
    let child = match spawn(&folder, config) {
        Ok(child) => child,
        Err(error) => {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    let mut process = Process { child, folder };
    let control = process.folder.join("control");
    let cookie = process.folder.join("data").join("control_auth_cookie");
    let started = async {
        loop {
            if let Some(at) =
                fs::read_to_string(&control).ok().and_then(|text| text.trim().strip_prefix("PORT=").map(str::to_owned))
            {
                return Ok(at);
            }
            if !process.runs() {
                return Err(TorError::Exited);
            }
            sleep(POLL).await;
        }
    };
    let at = within(START, TorError::Control(SystemError::TimedOut), started).await?;
    Ok((process, at, cookie))
}

fn spawn(folder: &Path, config: Option<&str>) -> Result<Child, TorError> {
    let tor = find("tor").ok_or(TorError::NotInstalled)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let mut lines = config.unwrap_or_default().to_owned();
    let _ = write!(
        lines,
        "\nDataDirectory {}\nSocksPort auto\nControlPort auto\nControlPortWriteToFile {}\nCookieAuthentication 1\n\
         AvoidDiskWrites 1\nDormantOnFirstStartup 0\n",
        path("data"),
        path("control"),
    );
    let failed = |error: io::Error| TorError::Start(error.into());
    let written = File::create_new(folder.join("torrc")).and_then(|mut file| file.write_all(lines.as_bytes()));
    written.and_then(|()| File::create_new(folder.join("empty"))).map_err(failed)?;
    Command::new(tor)
        .args(["-f", &path("torrc"), "--defaults-torrc", &path("empty"), "--quiet"])
        .args(["__OwningControllerProcess", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal must not end tor before the room has said goodbye through it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)
}

/// Whether a tor is installed.
pub fn is_installed() -> bool {
    find("tor").is_some()
}

/// Finds a program on the PATH. Relative entries are skipped: the current folder may hold anything.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|at| at.is_file())
}

/// Creates a folder that only this user can read, in XDG_RUNTIME_DIR (in memory) if possible.
fn private_folder() -> Result<PathBuf, TorError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let name = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
    let mut last = SystemError::NotFound;
    for parent in runtime.into_iter().chain([std::env::temp_dir()]) {
        let folder = parent.join(format!("tete-{}", HEXLOWER.encode(name.expose().get(..8).unwrap_or_default())));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => last = error.into(),
        }
    }
    Err(TorError::Start(last))
}
