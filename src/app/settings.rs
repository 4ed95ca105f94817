//! What the window remembers from one start to the next: layout, theme, size, environments shown before.
//!
//! A small JSON file in the user's folder for settings. One that cannot be read or written does no harm: everything is as on
//! first start then.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How many environments are remembered.
const RECENT: usize = 8;

/// Everything remembered. What a file does not say is as on first start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark, or light; `None`: as the system has it.
    pub dark: Option<bool>,
    /// Black and white and strong colours.
    pub high_contrast: bool,
    /// Sets are seen to travel, changed rows fade.
    pub animations: bool,
    /// Larger text, no dock. Not from one start to the next: a window that opens so would be a riddle.
    #[serde(skip)]
    pub presentation: bool,
    /// How much larger everything is.
    pub zoom: f32,
    /// The window's width and height, points.
    pub window: [f32; 2],
    /// Somebody has folded (`false`) or unfolded the dock.
    pub dock: Option<bool>,
    /// The same object at the same height in both panes.
    pub side_by_side: bool,
    /// Both panes scroll together.
    pub scroll_together: bool,
    /// The tour was taken or declined.
    pub toured: bool,
    /// Environments shown, the latest first.
    pub recent: Vec<PathBuf>,
    /// The REST interface.
    pub rest: RestSettings,
}

/// The REST interface that the window serves while it is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestSettings {
    /// Whether it does.
    pub on: bool,
    /// The port on this machine.
    pub port: u16,
    /// Folders beside the environment's in which requests may name set files.
    pub allow: Vec<PathBuf>,
}

impl Default for RestSettings {
    fn default() -> Self {
        // The port of the original demo's examples.
        RestSettings { on: true, port: 52773, allow: Vec::new() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dark: None,
            high_contrast: false,
            animations: true,
            presentation: false,
            zoom: 1.0,
            window: [1600.0, 1000.0],
            dock: None,
            side_by_side: true,
            scroll_together: true,
            toured: false,
            recent: Vec::new(),
            rest: RestSettings::default(),
        }
    }
}

impl Settings {
    /// Reads a file; what is not there or not readable is as on first start.
    pub fn load(file: &Path) -> Settings {
        let read: Option<Settings> = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut settings = read.unwrap_or_default();
        // A file is written by anybody.
        let within = |value: f32, low: f32, high: f32, usual: f32| {
            if value.is_finite() { value.clamp(low, high) } else { usual }
        };
        settings.zoom = within(settings.zoom, 0.5, 3.0, 1.0);
        settings.window =
            [within(settings.window[0], 1000.0, 8000.0, 1600.0), within(settings.window[1], 640.0, 8000.0, 1000.0)];
        settings.recent.truncate(RECENT);
        settings
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut beside, self)?;
        beside.persist(file)?;
        Ok(())
    }

    /// An environment was shown.
    pub fn shown(&mut self, dir: &Path) {
        self.recent.retain(|d| d != dir);
        self.recent.insert(0, dir.to_owned());
        self.recent.truncate(RECENT);
    }

    /// The layout as on first start; where somebody was and what they saw stays.
    pub fn reset_layout(&mut self) {
        let (recent, rest) = (std::mem::take(&mut self.recent), self.rest.clone());
        *self = Settings { recent, rest, toured: self.toured, ..Settings::default() };
    }
}

/// Where they are kept: OBJSYNC_SETTINGS, or the user's folder for settings; `None` where this machine tells none.
pub fn file() -> Option<PathBuf> {
    if let Some(file) = std::env::var_os("OBJSYNC_SETTINGS").filter(|f| !f.is_empty()) {
        return Some(file.into());
    }
    directories::ProjectDirs::from("", "", "objsync").map(|d| d.config_dir().join("window.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_a_damaged_file_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep").join("window.json");
        let mut settings = Settings { dark: Some(false), zoom: 1.25, dock: Some(false), ..Settings::default() };
        for n in 0..20 {
            settings.shown(Path::new(&format!("/environment/{}", n % 10)));
        }
        assert_eq!(settings.recent.len(), RECENT);
        assert_eq!(settings.recent[0], Path::new("/environment/9"));
        settings.save(&file).unwrap();
        assert_eq!(Settings::load(&file), settings);
        std::fs::write(&file, "{\"zoom\": 1e30, \"window\": [1, 2], \"unheard\": true}").unwrap();
        assert_eq!((Settings::load(&file).zoom, Settings::load(&file).window), (3.0, [1000.0, 640.0]));
        std::fs::write(&file, "not json").unwrap();
        assert_eq!(Settings::load(&file), Settings::default());
        assert_eq!(Settings::load(&dir.path().join("nowhere")), Settings::default());
        settings.reset_layout();
        assert_eq!((settings.zoom, settings.recent.len()), (1.0, RECENT));
    }
}
