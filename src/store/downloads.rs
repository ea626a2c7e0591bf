//! The user's folder for downloads, by the conventions of the platform.

use std::path::{Path, PathBuf};

/// Finds the folder that the user has set for downloads, else `Downloads` in their home, else the current folder.
pub fn downloads() -> PathBuf {
    let Some(home) = std::env::home_dir() else { return ".".into() };
    let settings = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let settings = std::fs::read_to_string(settings.join("user-dirs.dirs")).unwrap_or_default();
    let chosen = chosen(&settings, &home).into_iter().chain([home.join("Downloads")]);
    chosen.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| ".".into())
}

/// Reads `XDG_DOWNLOAD_DIR` from the content of `user-dirs.dirs` (freedesktop.org, xdg-user-dirs).
fn chosen(settings: &str, home: &Path) -> Option<PathBuf> {
    let value = settings.lines().find_map(|line| line.trim().strip_prefix("XDG_DOWNLOAD_DIR=\"")?.strip_suffix('"'))?;
    match value.strip_prefix("$HOME/") {
        Some(below) => Some(home.join(below)),
        None => value.starts_with('/').then(|| value.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_was_set() {
        let chosen = |settings: &str| chosen(settings, Path::new("/home/x"));
        assert_eq!(chosen("XDG_MUSIC_DIR=\"$HOME/m\"\nXDG_DOWNLOAD_DIR=\"$HOME/下载\""), Some("/home/x/下载".into()));
        assert_eq!(chosen("XDG_DOWNLOAD_DIR=\"/data\""), Some("/data".into()));
        for other in ["", "# XDG_DOWNLOAD_DIR=\"/x\"", "XDG_DOWNLOAD_DIR=\"x\"", "XDG_DOWNLOAD_DIR=/x"] {
            assert_eq!(chosen(other), None, "{other}");
        }
    }
}
