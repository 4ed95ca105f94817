//! How the window looks: colours named by what they mean, and the fonts.
//!
//! Panels ask for [`Tokens::of`] and never write a colour themselves, so both themes (and later ones) are one table each.
//! The invariant, checked by a test: every text token has a contrast of at least 4.5:1 on every ground it stands on.

mod fonts;
mod tokens;

use eframe::egui::{self, Color32, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Theme};

pub use fonts::{MEDIUM, SEMIBOLD, medium, mono, regular, semibold, tabular};
pub use tokens::Tokens;

/// Text size in tables and labels, points.
pub const TEXT: f32 = 13.0;
/// Text size of notes and pills, points.
pub const SMALL: f32 = 11.5;
/// Height of a table row, points.
pub const ROW: f32 = 24.0;

/// Installs fonts, colours and spacing for both themes.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    for theme in [Theme::Dark, Theme::Light] {
        let tokens = Tokens::for_theme(theme);
        ctx.style_mut_of(theme, |style| apply(style, tokens));
    }
}

/// Both themes in high contrast, or as usual.
pub fn set_contrast(ctx: &egui::Context, high: bool) {
    for theme in [Theme::Dark, Theme::Light] {
        let tokens = if high { Tokens::high_contrast() } else { Tokens::for_theme(theme) };
        ctx.style_mut_of(theme, |style| apply(style, tokens));
    }
}

fn apply(style: &mut egui::Style, t: &Tokens) {
    style.text_styles = [
        (TextStyle::Small, regular(SMALL)),
        (TextStyle::Body, regular(TEXT)),
        (TextStyle::Button, FontId::new(TEXT, FontFamily::Name(MEDIUM.into()))),
        (TextStyle::Heading, semibold(16.0)),
        (TextStyle::Monospace, mono(SMALL)),
    ]
    .into();
    style.spacing.item_spacing = egui::vec2(6.0, 4.0);
    style.spacing.button_padding = egui::vec2(10.0, 4.0);
    style.spacing.interact_size.y = 26.0;
    style.spacing.scroll = egui::style::ScrollStyle::thin();
    style.spacing.scroll.bar_width = 8.0;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;

    let v = &mut style.visuals;
    v.panel_fill = t.surface;
    v.window_fill = t.surface;
    v.window_stroke = Stroke::new(1.0, t.border);
    v.window_corner_radius = CornerRadius::same(8);
    v.menu_corner_radius = CornerRadius::same(6);
    v.extreme_bg_color = t.field;
    v.text_edit_bg_color = Some(t.field);
    v.faint_bg_color = t.ground;
    v.hyperlink_color = t.sides[0];
    v.error_fg_color = t.danger;
    v.warn_fg_color = t.waiting;
    v.weak_text_color = Some(t.weak);
    v.selection.bg_fill = t.side_fill[0];
    v.selection.stroke = Stroke::new(1.0, t.sides[0]);
    v.text_cursor.stroke = Stroke::new(2.0, t.sides[0]);
    v.disabled_alpha = if t.surface == Color32::BLACK { 0.75 } else { 0.55 };
    let widgets = &mut v.widgets;
    for (visuals, fill, border, text) in [
        (&mut widgets.noninteractive, t.surface, t.line, t.text),
        (&mut widgets.inactive, t.control, t.border, t.text),
        (&mut widgets.hovered, t.control_hovered, t.strong_border, t.strong),
        // Also what has the focus of the keyboard.
        (&mut widgets.active, t.control_hovered, t.sides[0], t.strong),
        (&mut widgets.open, t.control_hovered, t.border, t.text),
    ] {
        visuals.bg_fill = fill;
        visuals.weak_bg_fill = fill;
        visuals.bg_stroke = Stroke::new(if border == t.sides[0] { 2.0 } else { 1.0 }, border);
        visuals.fg_stroke = Stroke::new(1.0, text);
        visuals.corner_radius = CornerRadius::same(5);
        visuals.expansion = 0.0;
    }
}

/// `over` laid on `under` with the given strength, 0 to 1.
pub fn blend(under: Color32, over: Color32, strength: f32) -> Color32 {
    under.lerp_to_gamma(over, strength.clamp(0.0, 1.0))
}
