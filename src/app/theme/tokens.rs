//! The colours, by meaning.

use eframe::egui::{self, Color32, Theme};

/// One theme's colours. Index `0` is MASTER (blue), `1` CLIENT (orange).
pub struct Tokens {
    /// Around the surfaces: lane, legend, status line.
    pub ground: Color32,
    /// Panes, dock, dialogs.
    pub surface: Color32,
    /// Cards and chosen list entries.
    pub raised: Color32,
    /// Text fields.
    pub field: Color32,
    /// Buttons.
    pub control: Color32,
    /// Buttons under the pointer.
    pub control_hovered: Color32,
    /// Hairlines between rows and panels.
    pub line: Color32,
    /// Outlines of buttons and fields.
    pub border: Color32,
    /// Outlines under the pointer.
    pub strong_border: Color32,
    /// Ordinary text.
    pub text: Color32,
    /// Headings and results.
    pub strong: Color32,
    /// Notes, ghost rows, old values.
    pub weak: Color32,
    /// The sides' own colours, as text.
    pub sides: [Color32; 2],
    /// The sides' ground: prepare buttons, changed cells.
    pub side_fill: [Color32; 2],
    /// The sides' faint ground: new rows.
    pub side_faint: [Color32; 2],
    /// New, in sync.
    pub new: Color32,
    /// Ground of green pills.
    pub new_fill: Color32,
    /// Deleted, failed.
    pub danger: Color32,
    /// Ground of red pills and the error bar.
    pub danger_fill: Color32,
    /// Conflict.
    pub conflict: Color32,
    /// Ground of a conflict's cells and pills.
    pub conflict_fill: Color32,
    /// Ground of a conflict's row.
    pub conflict_faint: Color32,
    /// Waiting, differing.
    pub waiting: Color32,
    /// Ground of yellow pills.
    pub waiting_fill: Color32,
    /// Shade behind a dialog.
    pub shade: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const DARK: Tokens = Tokens {
    ground: rgb(0x14171C),
    surface: rgb(0x1B1F26),
    raised: rgb(0x232832),
    field: rgb(0x14171C),
    control: rgb(0x232832),
    control_hovered: rgb(0x2D3440),
    line: rgb(0x272C36),
    border: rgb(0x353C49),
    strong_border: rgb(0x566072),
    text: rgb(0xCCD3DD),
    strong: rgb(0xF2F5F9),
    weak: rgb(0x949DAB),
    sides: [rgb(0x5BA8F8), rgb(0xF5A64B)],
    side_fill: [rgb(0x17304A), rgb(0x46321A)],
    side_faint: [rgb(0x19283A), rgb(0x32291F)],
    new: rgb(0x4CC38A),
    new_fill: rgb(0x17342A),
    danger: rgb(0xF2777A),
    danger_fill: rgb(0x3D2226),
    conflict: rgb(0xB794F6),
    conflict_fill: rgb(0x3A2A57),
    conflict_faint: rgb(0x28233C),
    waiting: rgb(0xF2CE5B),
    waiting_fill: rgb(0x453C1C),
    shade: Color32::from_black_alpha(140),
};

const LIGHT: Tokens = Tokens {
    ground: rgb(0xF3F5F8),
    surface: rgb(0xFFFFFF),
    raised: rgb(0xEEF1F5),
    field: rgb(0xFFFFFF),
    control: rgb(0xEEF1F5),
    control_hovered: rgb(0xE1E6ED),
    line: rgb(0xE3E7ED),
    border: rgb(0xCBD2DB),
    strong_border: rgb(0x93A0B0),
    text: rgb(0x38404A),
    strong: rgb(0x14181E),
    weak: rgb(0x5C6675),
    sides: [rgb(0x0A5BB5), rgb(0x994700)],
    side_fill: [rgb(0xDCEBFB), rgb(0xFBE8D0)],
    side_faint: [rgb(0xECF4FD), rgb(0xFDF2E5)],
    new: rgb(0x12703F),
    new_fill: rgb(0xDDF3E6),
    danger: rgb(0xB3261E),
    danger_fill: rgb(0xFCE6E4),
    conflict: rgb(0x6A3FBF),
    conflict_fill: rgb(0xE6DAFB),
    conflict_faint: rgb(0xF3EEFD),
    waiting: rgb(0x755400),
    waiting_fill: rgb(0xFBF1CD),
    shade: Color32::from_black_alpha(90),
};

/// White on black, outlines that can be seen from afar, and the same meanings in strong colours.
const HIGH_CONTRAST: Tokens = Tokens {
    ground: rgb(0x000000),
    surface: rgb(0x000000),
    raised: rgb(0x1C1C1C),
    field: rgb(0x000000),
    control: rgb(0x101010),
    control_hovered: rgb(0x303030),
    line: rgb(0x707070),
    border: rgb(0xC8C8C8),
    strong_border: rgb(0xFFFFFF),
    text: rgb(0xFFFFFF),
    strong: rgb(0xFFFFFF),
    weak: rgb(0xD8D8D8),
    sides: [rgb(0x6CC4FF), rgb(0xFFB454)],
    side_fill: [rgb(0x00305C), rgb(0x4A2A00)],
    side_faint: [rgb(0x001C38), rgb(0x2C1900)],
    new: rgb(0x5CF0A0),
    new_fill: rgb(0x003D1E),
    danger: rgb(0xFF8A8A),
    danger_fill: rgb(0x4A0000),
    conflict: rgb(0xD6B8FF),
    conflict_fill: rgb(0x3A0A78),
    conflict_faint: rgb(0x20063F),
    waiting: rgb(0xFFE45C),
    waiting_fill: rgb(0x463A00),
    shade: Color32::from_black_alpha(190),
};

impl Tokens {
    /// The colours in high contrast.
    pub fn high_contrast() -> &'static Tokens {
        &HIGH_CONTRAST
    }

    /// The colours of a theme.
    pub fn for_theme(theme: Theme) -> &'static Tokens {
        match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }

    /// The colours of the theme this ui is drawn in.
    pub fn of(ui: &egui::Ui) -> &'static Tokens {
        match ui.visuals() {
            // egui knows two themes only; the third one is told by its ground.
            v if v.panel_fill == HIGH_CONTRAST.surface => &HIGH_CONTRAST,
            v if v.dark_mode => &DARK,
            _ => &LIGHT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(c: Color32) -> f64 {
        let channel = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(c.r()) + 0.7152 * channel(c.g()) + 0.0722 * channel(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_is_readable_wherever_it_stands() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 0.01);
        for (theme, t) in [("dark", &DARK), ("light", &LIGHT), ("high contrast", &HIGH_CONTRAST)] {
            let plain = [t.ground, t.surface, t.raised, t.field, t.control, t.control_hovered];
            let rows = [t.surface, t.side_faint[0], t.side_faint[1], t.conflict_faint];
            let mut pairs = Vec::new();
            for ground in plain {
                pairs.extend([("text", t.text, ground), ("strong", t.strong, ground)]);
            }
            for ground in [t.ground, t.surface, t.raised, t.field] {
                pairs.extend([("weak", t.weak, ground), ("danger", t.danger, ground), ("new", t.new, ground)]);
                pairs.extend([("conflict", t.conflict, ground), ("waiting", t.waiting, ground)]);
                pairs.extend([("master", t.sides[0], ground), ("client", t.sides[1], ground)]);
            }
            for ground in rows {
                pairs.extend([("text in a row", t.text, ground), ("weak in a row", t.weak, ground)]);
                pairs.extend([("deleted in a row", t.danger, ground), ("conflict in a row", t.conflict, ground)]);
            }
            for side in 0..2 {
                pairs.push(("side in its cell", t.sides[side], t.side_fill[side]));
                pairs.push(("side in its row", t.sides[side], t.side_faint[side]));
                pairs.push(("text in a side's cell", t.text, t.side_fill[side]));
            }
            pairs.extend([
                ("new pill", t.new, t.new_fill),
                ("deleted pill", t.danger, t.danger_fill),
                ("text in the error bar", t.text, t.danger_fill),
                ("conflict cell", t.conflict, t.conflict_fill),
                ("verdict", t.waiting, t.waiting_fill),
                ("the tour's bubble", t.field, t.sides[0]),
                ("text in the past's banner", t.text, t.waiting_fill),
                ("what was and is another now", t.waiting, t.waiting_fill),
                ("what was and is gone", t.text, t.danger_fill),
                ("changed result", t.strong, t.conflict_fill),
                ("typed result", t.text, t.conflict_fill),
                ("MASTER's result", t.sides[0], t.conflict_fill),
                ("CLIENT's result", t.sides[1], t.conflict_fill),
            ]);
            for (what, text, ground) in pairs {
                let got = contrast(text, ground);
                assert!(got >= 4.5, "{theme}: {what} {text:?} on {ground:?} has only {got:.2}");
            }
        }
    }
}
