//! Inter in three weights, and egui's own fonts for code and for the few symbols Inter lacks.
//!
//! The fonts are part of the program, so text looks and measures the same on every machine.

use std::sync::Arc;

use eframe::egui::{FontData, FontDefinitions, FontFamily, FontId};

/// Family name of the medium weight (buttons, tabs).
pub const MEDIUM: &str = "medium";
/// Family name of the semibold weight (headings, numbers that matter).
pub const SEMIBOLD: &str = "semibold";

const TABULAR: &str = "tabular";
const TABULAR_SEMIBOLD: &str = "tabular semibold";

/// The regular weight.
pub fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// The medium weight.
pub fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(MEDIUM.into()))
}

/// The semibold weight.
pub fn semibold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMIBOLD.into()))
}

/// The same font with digits that are all of one width, so that columns of numbers stand in line. Of the regular and the semibold
/// weight.
pub fn tabular(font: &FontId) -> FontId {
    let family = match &font.family {
        FontFamily::Proportional => FontFamily::Name(TABULAR.into()),
        FontFamily::Name(name) if **name == *SEMIBOLD => FontFamily::Name(TABULAR_SEMIBOLD.into()),
        other => other.clone(),
    };
    FontId::new(font.size, family)
}

/// Fixed width, for GUIDs and file names.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

pub(super) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let regular: &'static [u8] = include_bytes!("../../../assets/fonts/Inter-Regular.otf");
    let medium: &'static [u8] = include_bytes!("../../../assets/fonts/Inter-Medium.otf");
    let semibold: &'static [u8] = include_bytes!("../../../assets/fonts/Inter-SemiBold.otf");
    let named = |name: &str| FontFamily::Name(name.into());
    for (name, data, family) in [
        ("Inter", FontData::from_static(regular), FontFamily::Proportional),
        ("Inter Medium", FontData::from_static(medium), named(MEDIUM)),
        ("Inter SemiBold", FontData::from_static(semibold), named(SEMIBOLD)),
        ("Inter tabular", with_tabular_digits(regular), named(TABULAR)),
        ("Inter SemiBold tabular", with_tabular_digits(semibold), named(TABULAR_SEMIBOLD)),
    ] {
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
        // Hack has ▾ ▴ ▸ ⇄, which Inter lacks.
        let chain = ["egui-icons", "Hack"].map(str::to_owned);
        fonts.families.insert(family, std::iter::once(name.to_owned()).chain(chain).collect());
    }
    fonts
}

/// Inter has such digits, as a feature that is off unless asked for, and egui asks for none. Under the name of a feature that is
/// always on it needs no asking.
fn with_tabular_digits(font: &[u8]) -> FontData {
    let mut bytes = font.to_vec();
    if let Some(at) = bytes.windows(4).position(|tag| tag == b"tnum") {
        bytes[at..at + 4].copy_from_slice(b"clig");
    }
    FontData::from_owned(bytes)
}

#[cfg(test)]
mod tests {
    use eframe::egui::{self, Color32};

    use super::*;

    #[test]
    fn tabular_digits_are_of_one_width() {
        let ctx = egui::Context::default();
        ctx.set_fonts(definitions());
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            let width = |font: &FontId, digit: char| {
                let text = digit.to_string().repeat(20);
                ui.painter().layout_no_wrap(text, font.clone(), Color32::WHITE).size().x
            };
            for font in [regular(13.0), semibold(13.0)] {
                assert!(width(&font, '1') < width(&font, '0'), "{font:?} needs it no more");
                let tabular = tabular(&font);
                // The semibold 4 is a fiftieth of a pixel narrower in the font itself.
                let off = |digit: char| (width(&tabular, digit) - width(&tabular, '0')).abs() / 20.0;
                assert!(('0'..='9').all(|digit| off(digit) < 0.03), "{tabular:?}");
            }
        });
        // Nobody draws.
        output.textures_delta.clear();
    }
}
