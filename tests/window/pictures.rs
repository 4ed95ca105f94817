//! Pictures of the main states in all themes, compared with stored ones.
//!
//! A change that is meant is taken in with `OBJSYNC_PICTURES=update cargo test --test window pictures`, after looking at it. The
//! status line is left out: it names folders and durations.

use std::path::{Path, PathBuf};

use eframe::egui::{ColorImage, Key, Modifiers};
use egui_kittest::kittest::Queryable;

use crate::driver::Window;
use crate::mock::Switchboard;
use crate::raster::{Textures, picture};
use objsync::app::view::Line;

/// The size of every picture, points.
const SIZE: [usize; 2] = [1280, 800];
/// Height of the status line, points.
const STATUS: usize = 28;
/// A channel that differs by less is the same.
const SAME: u8 = 24;
/// So many pixels may differ: fewer than any letter has.
const FEW: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Look {
    Dark,
    Light,
    HighContrast,
}

fn open(look: Look, more: bool) -> (Window, Textures) {
    let textures = Textures::default();
    let board = Switchboard { more, ..Switchboard::default() };
    let mut window = Window::painted(SIZE.map(|n| n as f32), board, textures.clone());
    window.until("the first view", |w| w.app().state().snapshot.is_some());
    let settings = &mut window.state_mut().settings;
    (settings.dark, settings.high_contrast) = (Some(look == Look::Dark), look == Look::HighContrast);
    // Nothing that depends on when the picture is taken.
    settings.animations = false;
    if window.app().state().dock_open == Some(false) {
        window.press("Show the dock");
    }
    (window, textures)
}

fn taken(window: &mut Window, textures: &Textures) -> ColorImage {
    // Rows stay highlighted for a while after an action, and a tip comes up where the pointer rests.
    window.harness.remove_cursor();
    window.state_mut().flash.clear();
    window.harness.run_steps(3);
    picture(&window.harness.ctx, window.harness.output(), textures, SIZE)
}

fn stored(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/window/pictures").join(format!("{name}.png"))
}

fn write(file: &Path, image: &ColorImage) {
    let mut encoder =
        png::Encoder::new(std::fs::File::create(file).unwrap(), image.size[0] as u32, image.size[1] as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    // Sixteen steps a channel make half the file, and are nearer to what was seen than what counts as different.
    let step = |value: u8| (value / 17 + u8::from(value % 17 > 8)) * 17;
    let bytes: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()].map(step)).collect();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
}

fn read(file: &Path) -> Option<ColorImage> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).ok()?)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    Some(ColorImage::from_rgb([info.width as usize, info.height as usize], &bytes[..info.buffer_size()]))
}

/// How many pixels differ visibly above the status line.
fn differing(a: &ColorImage, b: &ColorImage) -> usize {
    assert_eq!(a.size, b.size, "pictures of two sizes");
    let above = a.size[0] * (a.size[1] - STATUS);
    let differs = |(a, b): (&eframe::egui::Color32, &eframe::egui::Color32)| {
        a.to_array().into_iter().zip(b.to_array()).any(|(a, b)| a.abs_diff(b) > SAME)
    };
    a.pixels[..above].iter().zip(&b.pixels[..above]).filter(|pair| differs(*pair)).count()
}

fn check(name: &str, now: &ColorImage) -> Result<(), String> {
    let file = stored(name);
    if std::env::var("OBJSYNC_PICTURES").is_ok_and(|v| v == "update") {
        write(&file, now);
        return Ok(());
    }
    let found = read(&file).map(|before| differing(&before, now));
    match found {
        Some(n) if n <= FEW => Ok(()),
        found => {
            let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
            write(&seen, now);
            let how = found.map_or("there is no stored one".to_owned(), |n| format!("{n} pixels differ"));
            Err(format!("{name}: {how}; as it is now: {}", seen.display()))
        }
    }
}

/// Takes a picture of one state in all looks.
fn state(name: &str, more: bool, bring_about: impl Fn(&mut Window)) {
    let mut wrong = Vec::new();
    for look in [Look::Dark, Look::Light, Look::HighContrast] {
        // The third look in the main state only: it differs from the others by its colours alone.
        if look == Look::HighContrast && name != "main" {
            continue;
        }
        let (mut window, textures) = open(look, more);
        bring_about(&mut window);
        let image = taken(&mut window, &textures);
        let name = format!("{name}-{}", format!("{look:?}").to_lowercase());
        wrong.extend(check(&name, &image).err());
    }
    assert!(wrong.is_empty(), "{}\nlook at them; OBJSYNC_PICTURES=update takes them in", wrong.join("\n"));
}

#[test]
fn the_main_window() {
    state("main", false, |window| {
        window.press("Prepare set from MASTER");
        window.key(Key::Enter);
        window.idle();
        window.press("Order 16 at MASTER");
    });
}

#[test]
fn a_preview_with_a_conflict() {
    state("preview", false, |window| {
        window.press("Prepare set from MASTER");
        window.key(Key::Enter);
        window.idle();
        window.press("Preview set 1000 at CLIENT");
        window.idle();
    });
}

#[test]
fn a_conflict_to_be_decided_and_what_waits() {
    state("conflict", true, |window| {
        window.press("Requeued at CLIENT");
        window.press("Journal at MASTER");
    });
}

#[test]
fn the_palette() {
    state("palette", false, |window| {
        window.keys(Modifiers::COMMAND, Key::K);
        window.type_text("order client");
    });
}

#[test]
fn the_tour() {
    state("tour", false, |window| {
        window.press("Tours");
        window.press("Guided tour");
        window.idle();
        for _ in 0..3 {
            window.key(Key::F6);
            window.idle();
        }
    });
}

#[test]
fn a_side_as_it_was() {
    state("as-it-was", true, |window| {
        window.press("Sync sets");
        window.keys(Modifiers::COMMAND | Modifiers::SHIFT, Key::T);
        window.idle();
    });
}

#[test]
fn a_new_order_with_names_offered() {
    state("new-order", false, |window| {
        window.press("New order at MASTER");
        // It is dated now; the picture is not.
        window.harness.get_by_role_and_label(eframe::egui::Role::TextInput, "Date").focus();
        window.harness.run_steps(4);
        window.keys(Modifiers::COMMAND, Key::A);
        window.type_text("2026-11-20 16:44:42");
        window.harness.get_by_role_and_label(eframe::egui::Role::TextInput, "Customer").focus();
        window.harness.run_steps(4);
        window.type_text("e");
        window.key(Key::ArrowDown);
    });
}

#[test]
fn a_real_change_is_seen() {
    let (mut window, textures) = open(Look::Light, false);
    let before = taken(&mut window, &textures);
    assert_eq!(differing(&before, &taken(&mut window, &textures)), 0, "the same state is painted twice alike");
    // One digit of one quantity.
    let state = window.state_mut();
    let mut view = (*state.snapshot.as_ref().unwrap().view).clone();
    let number = |l: &Line| l.orders[0].as_ref().is_some_and(|o| o.order_num == 23);
    let mut line = view.lines.iter().find(number).unwrap();
    let order = line.orders[0].as_mut().unwrap();
    order.quantity = objsync::demo::model::Decimal::from_hundredths(order.quantity.hundredths() ^ 100);
    view.lines.put(line);
    state.show_view(view.into());
    let after = taken(&mut window, &textures);
    assert!(differing(&before, &after) > FEW, "{} pixels", differing(&before, &after));
}
