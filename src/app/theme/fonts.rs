//! Inter in three weights, and egui's own fonts for code and for the few symbols Inter lacks.
//!
//! The fonts are part of the program, so text looks and measures the same on every machine.

use std::sync::Arc;

use eframe::egui::{FontData, FontDefinitions, FontFamily, FontId};

/// Family name of the medium weight (buttons, tabs).
pub const MEDIUM: &str = "medium";
/// Family name of the semibold weight (headings, numbers that matter).
pub const SEMIBOLD: &str = "semibold";

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

/// Fixed width, for GUIDs and file names.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

pub(super) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let weights: [(&str, &'static [u8], FontFamily); 3] = [
        ("Inter", include_bytes!("../../../assets/fonts/Inter-Regular.otf"), FontFamily::Proportional),
        ("Inter Medium", include_bytes!("../../../assets/fonts/Inter-Medium.otf"), FontFamily::Name(MEDIUM.into())),
        (
            "Inter SemiBold",
            include_bytes!("../../../assets/fonts/Inter-SemiBold.otf"),
            FontFamily::Name(SEMIBOLD.into()),
        ),
    ];
    for (name, bytes, family) in weights {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        // Hack has ▾ ▴ ▸ ⇄, which Inter lacks.
        let chain = ["egui-icons", "Hack"].map(str::to_owned);
        fonts.families.insert(family, std::iter::once(name.to_owned()).chain(chain).collect());
    }
    fonts
}
