//! What a node has filed and how far it and the other have heard of each other: the tabs Journal and Sync times.

use eframe::egui::{
    self, Align, CornerRadius, Frame, Label, Layout, Margin, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};

use crate::app::command::Command;
use crate::app::snapshot::Snapshot;
use crate::app::state::{ListId, PaneTab, State};
use crate::app::theme::{TEXT, Tokens, medium, regular, semibold};
use crate::app::view::{JournalLine, Mark, SideIndex};
use crate::app::widgets::{Cell, VERSION_ONLY, mark_look, note, paint};
use crate::words::grouped;

/// Height of a journal's row, points.
const LINE: f32 = 22.0;
/// Below this width the date is left out of a journal's times, points.
const NARROW: f32 = 640.0;

/// Where the columns begin: transaction, time, mark, object, changes, origin; and the end.
fn columns(width: f32) -> [f32; 7] {
    let (transaction, time, object) = if width < NARROW { (62.0, 66.0, 94.0) } else { (66.0, 156.0, 104.0) };
    let rest = width - transaction - time - 20.0 - object - 8.0;
    let mut at = 8.0;
    let mut begin = |wide: f32| {
        at += wide;
        at - wide
    };
    [transaction, time, 20.0, object, rest * 0.5, rest * 0.5, 0.0].map(&mut begin)
}

/// The journal of a side, newest first.
pub fn journal(ui: &mut Ui, state: &State, snapshot: &Snapshot, side: SideIndex, out: &mut Vec<Command>) {
    let t = Tokens::of(ui);
    let lines = &snapshot.view.sides[side].journal;
    if lines.is_empty() {
        ui.add_space(20.0);
        ui.vertical_centered(|ui| note(ui, &format!("Nothing was filed at {} yet.", snapshot.side_name(side))));
        return;
    }
    let needle = state.needle(ListId::Pane(side, PaneTab::Journal));
    let found = |line: &&JournalLine| {
        let text = format!("{} {} {} {} {}", line.transaction, line.at, line.title, line.changes, line.origin);
        text.to_lowercase().contains(&needle)
    };
    let lines: Vec<&JournalLine> = lines.iter().filter(|line| needle.is_empty() || found(line)).collect();
    ui.spacing_mut().item_spacing.y = 0.0;
    let (head, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE + 2.0), Sense::hover());
    let places = columns(head.width());
    for (i, title) in ["Trans.", "Made", "", "Object", "Changes", "Origin"].into_iter().enumerate() {
        let mut cell = Cell::new(title, medium(TEXT - 0.5), t.weak);
        cell.number = i == 0;
        paint(ui, ui.painter(), place(head, places, i), &cell);
    }
    ui.painter().hline(head.x_range(), head.bottom() - 0.5, Stroke::new(1.0, t.line));
    let area = ScrollArea::vertical().id_salt(("journal", side)).auto_shrink(false);
    area.show_rows(ui, LINE, lines.len(), |ui, rows| {
        for line in &lines[rows] {
            if journal_line(ui, state, line, side) {
                out.push(Command::Reveal(side, line.guid));
            }
        }
    });
}

fn place(row: egui::Rect, columns: [f32; 7], i: usize) -> egui::Rect {
    let (left, right) = (row.left() + columns[i], row.left() + columns[i + 1]);
    egui::Rect::from_min_max(pos2(left, row.top()), pos2(right - 8.0, row.bottom()))
}

fn journal_line(ui: &mut Ui, state: &State, line: &JournalLine, side: SideIndex) -> bool {
    let t = Tokens::of(ui);
    let look = mark_look(t, line.mark, side);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    let selected = state.selection.guids.contains(&line.guid);
    if selected || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, if selected { t.side_fill[side] } else { t.raised });
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    let narrow = rect.width() < NARROW;
    let time = if narrow { line.at.get(11..).unwrap_or(&line.at) } else { &line.at };
    let changes = match line.mark {
        _ if !line.changes.is_empty() => line.changes.as_str(),
        Mark::Changed => VERSION_ONLY,
        _ => look.meaning,
    };
    let cells = [
        (grouped(line.transaction), regular(TEXT), t.text),
        (time.to_owned(), regular(TEXT), t.weak),
        (look.glyph.to_owned(), semibold(TEXT), look.ink),
        (line.title.clone(), medium(TEXT), t.strong),
        (changes.to_owned(), regular(TEXT), if line.changes.is_empty() { look.ink } else { t.text }),
        (line.origin.clone(), regular(TEXT), t.weak),
    ];
    let places = columns(rect.width());
    let mut cut = narrow;
    for (i, (text, font, ink)) in cells.into_iter().enumerate() {
        let mut cell = Cell::new(text, font, ink);
        (cell.number, cell.tabular) = (i == 0, i == 1);
        cut |= paint(ui, ui.painter(), place(rect, places, i), &cell);
    }
    let name = format!("Transaction {}: {} {}, {}", line.transaction, line.title, changes, line.origin);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, &name));
    let clicked = response.clicked();
    if cut {
        response.on_hover_text(format!("{}: {} {changes}, {}", line.at, line.title, line.origin));
    }
    clicked
}

/// The three numbers by which two nodes know what they need to tell each other.
pub fn times(ui: &mut Ui, snapshot: &Snapshot, side: SideIndex) {
    let t = Tokens::of(ui);
    let (here, there) = (snapshot.side_name(side), snapshot.side_name(1 - side));
    let times = snapshot.view.sides[side].times;
    let own = snapshot.view.sides[side].transaction;
    let rows = [
        (
            times.sent,
            side,
            "prepared",
            format!("Sets for {there} were prepared with {here}'s transactions up to this one, of {}.", grouped(own)),
        ),
        (
            times.acknowledged,
            side,
            "acknowledged",
            format!(
                "{there} has said that it has {here}'s transactions up to this one. What is later may have to be sent again."
            ),
        ),
        (
            times.received,
            1 - side,
            "received",
            format!(
                "{here} has all of {there}'s transactions up to this one. The next set must begin right after it, or earlier."
            ),
        ),
    ];
    ScrollArea::vertical().id_salt(("times", side)).auto_shrink(false).show(ui, |ui| {
        Frame::new().inner_margin(Margin::same(14)).show(ui, |ui| {
            for (number, whose, word, sentence) in rows {
                ui.horizontal(|ui| {
                    let right = Layout::right_to_left(Align::Center);
                    ui.allocate_ui_with_layout(vec2(70.0, 24.0), right, |ui| {
                        ui.label(RichText::new(grouped(number)).font(semibold(17.0)).color(t.sides[whose]));
                    });
                    ui.add_space(6.0);
                    ui.label(RichText::new(word).font(medium(TEXT)).color(t.strong));
                });
                ui.add(Label::new(RichText::new(sentence).font(regular(TEXT))).wrap());
                ui.add_space(10.0);
            }
        });
    });
}
