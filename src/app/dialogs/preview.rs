//! What applying a set would do, before it is applied.

use eframe::egui::{
    self, Align, Button, Color32, ComboBox, CornerRadius, Key, Label, Layout, Modifiers, RichText, Role, ScrollArea,
    Sense, Stroke, Ui, WidgetInfo, vec2,
};

use crate::app::command::{Command, rule_sentence};
use crate::app::decision::Draft;
use crate::app::snapshot::bytes;
use crate::app::state::State;
use crate::app::theme::{SMALL, TEXT, Tokens, medium, mono, regular, semibold};
use crate::app::view::{Action, PreviewObject, PreviewView};
use crate::app::widgets::{
    Cell, Look, Sides, command_button_sized, note, outcome_look, paint, versions, versions_table,
};
use crate::sync::{Outcome, Rule};

use super::{Dialog, PathField};
use crate::words::{count, grouped};

/// What can become of an object, in the order of the filter.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Inserted,
    Outcome::Updated,
    Outcome::Deleted,
    Outcome::Conflict,
    Outcome::Combined,
    Outcome::Requeued,
    Outcome::Skipped,
];
/// Height of an object's row, points.
const LINE: f32 = 24.0;

/// Whether a preview is of the databases as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// It is.
    Yes,
    /// Another program has written since.
    Due,
    /// The new one is being made.
    Asked,
    /// There is no new one.
    Refused,
}

/// A preview on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// What would be done.
    pub view: PreviewView,
    /// Only objects of which this would become; `None`: all.
    show: Option<Outcome>,
    /// Which object is chosen: an index into the view's.
    chosen: Option<usize>,
    /// The objects that the filter lets through.
    shown: Vec<usize>,
    /// How many objects of each of [`OUTCOMES`].
    counts: [usize; 7],
    /// Whether it is of the databases as they are.
    pub fresh: Fresh,
    /// It took the place of one that the databases had outrun.
    renewed: bool,
}

impl Preview {
    /// Shows a preview; where it was asked for from a preview of the same file, filter and choice stay.
    pub fn new(view: PreviewView, before: Option<Dialog>) -> Self {
        let before = match before {
            Some(Dialog::Preview(before)) if before.view.file == view.file => Some(before),
            _ => None,
        };
        let counts = OUTCOMES.map(|outcome| view.objects.iter().filter(|o| o.outcome == outcome).count());
        let guid = before.as_ref().and_then(|b| Some(b.view.objects.get(b.chosen?)?.guid));
        // What there is to look at is a conflict, if there is one.
        let chosen = match guid {
            Some(guid) => view.objects.iter().position(|o| o.guid == guid),
            None => view.objects.iter().position(|o| o.outcome == Outcome::Conflict),
        };
        let renewed = before.as_ref().is_some_and(|b| b.fresh != Fresh::Yes);
        let mut preview = Preview { view, show: None, chosen, shown: Vec::new(), counts, fresh: Fresh::Yes, renewed };
        let left = |show: &Outcome| preview.view.objects.iter().any(|o| o.outcome == *show);
        let show = before.and_then(|b| b.show).filter(left);
        preview.filter(show);
        preview
    }

    fn filter(&mut self, show: Option<Outcome>) {
        let objects = self.view.objects.iter().enumerate();
        self.show = show;
        self.shown = objects.filter(|(_, o)| show.is_none_or(|s| s == o.outcome)).map(|(i, _)| i).collect();
        self.chosen = self.chosen.filter(|i| self.shown.contains(i));
    }

    /// The heading.
    pub fn title(&self, state: &State) -> String {
        format!("Preview: set {} at {}", self.view.id, state.side_name(self.view.side))
    }

    /// The dialog that writes what would be done into a file, and comes back here.
    fn report(&self, state: &State) -> Dialog {
        let head = [self.title(state), format!("{}: {}", self.view.source, self.view.summary)];
        let object = |o: &PreviewObject| {
            let change = if o.change.is_empty() { String::new() } else { format!(" ({})", o.change) };
            format!("{}{change}: {}", o.title, o.reason)
        };
        let lines = head.into_iter().chain(self.view.checks.iter().cloned());
        let lines = lines.chain(self.view.warnings.iter().cloned()).chain(self.view.objects.iter().map(object));
        let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
        Dialog::SaveText {
            what: "the preview".to_owned(),
            name: format!("preview-{}.txt", self.view.id),
            text: text.into(),
            path: PathField::default(),
            back: Some(Box::new(self.clone())),
        }
    }

    /// Applies the set as it was previewed, or why that would be something else.
    pub fn action(&self) -> Result<Action, String> {
        let view = &self.view;
        match self.fresh {
            Fresh::Yes => Ok(Action::Apply { side: view.side, file: view.file.clone(), rule: view.rule }),
            Fresh::Due | Fresh::Asked => Err("Previewing again: the databases changed.".into()),
            Fresh::Refused => Err("The databases changed, and there is no new preview.".into()),
        }
    }
}

/// Draws it; `true` when it is done with.
pub fn show(ui: &mut Ui, state: &State, preview: &mut Preview, out: &mut Vec<Command>) -> bool {
    let screen = ui.ctx().content_rect().size();
    ui.set_width((screen.x - 120.0).min(1060.0));
    ui.set_max_height((screen.y - 90.0).min(760.0));
    head(ui, state, preview);
    ui.separator();
    filter(ui, preview);
    checks(ui, &preview.view);
    ui.add_space(2.0);
    let step = arrows(ui);
    titles(ui);
    let room = ui.available_height() - 60.0;
    // The place for what is said about the chosen object is kept whether there is much to say or not.
    let tables = preview.view.objects.iter().any(|o| o.conflict.is_some());
    let below = if tables { (room * 0.48).min(230.0) } else { (room * 0.25).min(76.0) };
    list(ui, preview, (room - below).max(80.0), step);
    ui.separator();
    let area = ScrollArea::vertical().id_salt("previewed object").auto_shrink(false).max_height(below - 12.0);
    area.min_scrolled_height(below - 12.0).show(ui, |ui| details(ui, state, preview));
    ui.separator();
    foot(ui, state, preview, out)
}

/// What would become of the chosen object, in full.
fn details(ui: &mut Ui, state: &State, preview: &Preview) {
    let Some(object) = preview.chosen.map(|i| &preview.view.objects[i]) else {
        note(ui, "Choose an object to read what would become of it.");
        return;
    };
    let strong = |text: &str| Label::new(RichText::new(text).font(medium(TEXT)).color(Tokens::of(ui).strong)).wrap();
    let Some(record) = &object.conflict else {
        let said = strong(&format!("{}: {}", object.title, object.reason));
        ui.add(said);
        return;
    };
    let why = strong(&record.why);
    let (rows, same) = versions(record, &Draft::new(record));
    let sides =
        Sides { names: [0, 1].map(|side| state.side_name(side)), made: record.made.each_ref().map(String::as_str) };
    versions_table(ui, sides, &rows, false, false);
    if !same.is_empty() {
        note(ui, &format!("{}: the same everywhere", same.join(", ")));
    }
    ui.add(why);
}

fn head(ui: &mut Ui, state: &State, preview: &Preview) {
    let t = Tokens::of(ui);
    let (title, view) = (preview.title(state), &preview.view);
    ui.horizontal(|ui| {
        ui.label(RichText::new(title).font(semibold(15.0)).color(t.strong));
        ui.add_space(4.0);
        let file = view.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let text = format!("{file} · {}", bytes(view.bytes));
        ui.add(Label::new(RichText::new(text).font(mono(SMALL)).color(t.weak)).truncate())
            .on_hover_text(view.file.display().to_string());
    });
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        let (text, ink) = match preview.fresh {
            Fresh::Due | Fresh::Asked => ("The databases changed. Previewing again…", t.waiting),
            Fresh::Refused => ("! The databases changed; this is the old preview. The new one was refused.", t.danger),
            Fresh::Yes if preview.renewed => ("The databases changed; this is the new preview.", t.waiting),
            Fresh::Yes => ("Nothing was changed yet; this is what Apply would do.", t.strong),
        };
        ui.label(RichText::new(text).color(ink));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (source, target) = (&view.source, state.side_name(view.side));
            let range = match view.range {
                (first, last) if first > last => format!("{source} → {target}, no new transactions"),
                (first, last) => {
                    format!("{source}'s transactions {} – {} → {target}", grouped(first), grouped(last))
                }
            };
            ui.label(RichText::new(range).color(t.text));
        });
    });
}

/// The counts in words, and a chip for everything that happens, which filters the list.
fn filter(ui: &mut Ui, preview: &mut Preview) {
    let t = Tokens::of(ui);
    let from = 1 - preview.view.side;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let all = preview.view.objects.len();
        let mut clicked = None;
        if chip(ui, preview.show.is_none(), &format!("All {}", grouped(all as u64)), t.strong, "Show all objects") {
            clicked = Some(None);
        }
        for (outcome, n) in OUTCOMES.into_iter().zip(preview.counts).filter(|(_, n)| *n > 0) {
            let look = outcome_look(t, outcome, from);
            let chosen = preview.show == Some(outcome);
            let text = format!("{} {} {}", look.glyph, grouped(n as u64), look.meaning);
            if chip(ui, chosen, &text, look.ink, &format!("Show only {}: {n}", look.meaning)) {
                clicked = Some((!chosen).then_some(outcome));
            }
        }
        if let Some(show) = clicked {
            preview.filter(show);
        }
        ui.label(
            RichText::new(format!("{}: {}", count(all + preview.view.left_out, "object"), preview.view.summary))
                .color(t.weak),
        );
    });
}

fn chip(ui: &mut Ui, chosen: bool, text: &str, ink: Color32, name: &str) -> bool {
    let t = Tokens::of(ui);
    let (fill, border) = if chosen { (t.control_hovered, t.strong_border) } else { (Color32::TRANSPARENT, t.border) };
    let button = Button::new(RichText::new(text).font(medium(12.0)).color(ink))
        .fill(fill)
        .stroke(Stroke::new(1.0, border))
        .corner_radius(CornerRadius::same(11));
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, name));
    response.clicked()
}

fn checks(ui: &mut Ui, view: &PreviewView) {
    let t = Tokens::of(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        ui.spacing_mut().item_spacing.x = 14.0;
        for check in &view.checks {
            ui.label(RichText::new(format!("✓ {check}")).font(regular(12.0)).color(t.new));
        }
    });
    for warning in &view.warnings {
        ui.add(Label::new(RichText::new(format!("! {warning}")).font(regular(12.0)).color(t.waiting)).wrap());
    }
}

/// How far the arrow keys move in the list.
fn arrows(ui: &Ui) -> isize {
    if egui::Popup::is_any_open(ui.ctx()) {
        return 0;
    }
    ui.input_mut(|i| {
        let mut step = 0;
        for (key, by) in [(Key::ArrowDown, 1), (Key::ArrowUp, -1), (Key::PageDown, 10), (Key::PageUp, -10)] {
            step += by * i.count_and_consume_key(Modifiers::NONE, key) as isize;
        }
        step
    })
}

/// Where transaction, sign, object, change and fate begin, and where the last one ends.
fn columns(width: f32) -> [f32; 6] {
    let object = 120.0 + (width * 0.2).min(212.0);
    [0.0, 92.0, 120.0, object, object + (width - object) * 0.38, width]
}

fn titles(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::hover());
    let titles = ["Transaction", "", "Object", "Change", "What applying it will do"];
    for (i, title) in titles.into_iter().enumerate() {
        let mut cell = Cell::new(title, medium(TEXT - 0.5), Tokens::of(ui).weak);
        cell.number = i == 0;
        paint(ui, ui.painter(), place(rect, i), &cell);
    }
}

fn place(row: egui::Rect, i: usize) -> egui::Rect {
    let columns = columns(row.width());
    let (left, right) = (row.left() + columns[i] + 8.0, row.left() + columns[i + 1] - 4.0);
    egui::Rect::from_min_max(egui::pos2(left, row.top()), egui::pos2(right, row.bottom()))
}

fn list(ui: &mut Ui, preview: &mut Preview, height: f32, step: isize) {
    let mut area = ScrollArea::vertical().id_salt("previewed objects").auto_shrink([false, true]).max_height(height);
    ui.spacing_mut().item_spacing.y = 0.0;
    if step != 0 && !preview.shown.is_empty() {
        let at = preview.chosen.and_then(|chosen| preview.shown.iter().position(|i| *i == chosen));
        let last = preview.shown.len() - 1;
        let to = at.map_or(0, |at| at.saturating_add_signed(step).min(last));
        preview.chosen = Some(preview.shown[to]);
        area = area.vertical_scroll_offset((to as f32 * LINE - height / 2.0).max(0.0));
    }
    let from = 1 - preview.view.side;
    let mut chosen = preview.chosen;
    area.show_rows(ui, LINE, preview.shown.len(), |ui, rows| {
        for index in &preview.shown[rows] {
            if object(ui, preview, *index, from) {
                chosen = if chosen == Some(*index) { None } else { Some(*index) };
            }
        }
    });
    preview.chosen = chosen;
    ui.spacing_mut().item_spacing.y = 4.0;
}

fn object(ui: &mut Ui, preview: &Preview, index: usize, from: usize) -> bool {
    let t = Tokens::of(ui);
    let object = &preview.view.objects[index];
    let look = outcome_look(t, object.outcome, from);
    let chosen = preview.chosen == Some(index);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    if chosen || response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(4), t.raised);
    }
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, t.line));
    let transaction = if object.transaction > 0 { grouped(object.transaction) } else { String::new() };
    let cells = [
        (transaction.as_str(), regular(TEXT), t.weak),
        (look.glyph, semibold(TEXT), look.ink),
        (object.title.as_str(), semibold(TEXT), t.strong),
        (object.change.as_str(), regular(TEXT), t.text),
        (object.reason.as_str(), regular(TEXT), look.ink),
    ];
    let mut cut = false;
    for (i, (text, font, ink)) in cells.into_iter().enumerate() {
        let mut cell = Cell::new(text, font, ink);
        cell.number = i == 0;
        cut |= paint(ui, ui.painter(), place(rect, i), &cell);
    }
    let name = format!("{}, {}: {}", object.title, look.meaning, object.reason);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, &name));
    let clicked = response.clicked();
    if cut {
        response.on_hover_text(format!("{}: {}\n{}", object.title, object.change, object.reason));
    }
    clicked
}

/// `true` when it is done with.
fn foot(ui: &mut Ui, state: &State, preview: &Preview, out: &mut Vec<Command>) -> bool {
    let view = &preview.view;
    super::show::refusal(ui, state);
    let mut done = false;
    ui.horizontal(|ui| {
        ui.label("On conflict");
        rule(ui, state, view, out);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text = if view.side == 0 { "← Apply" } else { "Apply →" };
            let name = format!("Apply the previewed set at {}", state.side_name(view.side));
            match preview.action() {
                Ok(apply) => {
                    let (apply, look) = (Command::Answer(apply), Look::Side(1 - view.side));
                    command_button_sized(ui, state, out, apply, text, look, 0.0).accessible_name(name);
                }
                Err(reason) => {
                    let button = ui.add_enabled(false, Button::new(text)).accessible_name(name);
                    button.on_disabled_hover_text(reason);
                }
            }
            done = ui.button("Close").clicked();
            if ui.button("Save report…").clicked() {
                out.push(Command::Ask(preview.report(state)));
            }
            let used = view.rule.unwrap_or(state.rule());
            let text = RichText::new(rule_sentence(used, state)).font(regular(12.0)).color(Tokens::of(ui).weak);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(Label::new(text).truncate()));
        });
    });
    done
}

/// For this set only; another rule makes another preview.
fn rule(ui: &mut Ui, state: &State, view: &PreviewView, out: &mut Vec<Command>) {
    let words = |rule: Option<Rule>| match rule {
        Some(rule) => rule.label().to_owned(),
        None => format!("{} (as chosen for all)", state.rule().label()),
    };
    let mut rule = view.rule;
    ui.add_enabled_ui(state.blocked().is_ok(), |ui| {
        let combo = ComboBox::from_id_salt("rule of the preview").width(220.0).height(280.0).selected_text(words(rule));
        let combo = combo.show_ui(ui, |ui| {
            for choice in std::iter::once(None).chain(Rule::ALL.map(Some)) {
                let of = choice.unwrap_or(state.rule());
                let tip = format!("{} {}", rule_sentence(of, state), of.caution());
                ui.selectable_value(&mut rule, choice, words(choice)).on_hover_text(tip.trim_end());
            }
        });
        combo.response.accessible_name("On conflict, for this set").on_hover_text("For this set only");
    });
    if rule != view.rule {
        out.push(Command::Answer(Action::Preview { file: view.file.clone(), rule }));
    }
}
