//! The tour's bubble: what its step shows, beside the widget it is about, which gets a ring.

use eframe::egui::{
    self, Align, Area, Button, Color32, CornerRadius, Frame, Id, Key, Label, Layout, Margin, Order, Pos2, Rect,
    Response, RichText, Stroke, StrokeKind, Ui, Vec2, pos2, vec2,
};

use crate::app::command::Command;
use crate::app::state::State;
use crate::app::theme::{SMALL, TEXT, Tokens, medium, regular, semibold};
use crate::app::tour::{Spot, Tour, spot, verb};
use crate::app::widgets::spot_rect;

/// Width of a bubble, points.
const WIDTH: f32 = 420.0;
/// The bubble's place among the areas of the screen.
const BUBBLE: &str = "tour's bubble";
/// Space around a bubble's text, points.
const PAD: f32 = 16.0;
/// How many lines of what came of the step before are told, at most.
const TOLD: usize = 7;
/// The same where the dock shows the record that they are about.
const TOLD_BY_DOCK: usize = 2;

/// Draws the tour, or the offer of one. `dialog`: something asks, and stands in the middle.
pub fn show(ui: &Ui, state: &State, dialog: bool, out: &mut Vec<Command>) {
    match &state.tour {
        Some(tour) => {
            let about = tour.step().map(|(_, step)| spot(&step.act)).and_then(|spot| spot_rect(ui, spot));
            if let (Some(rect), false) = (about, dialog) {
                ring(ui, rect);
            }
            let at = settled(ui, (tour.scenario, tour.at, dialog), about.filter(|_| !dialog));
            bubble(ui, at, |ui| step(ui, state, tour, out));
        }
        None if state.offers_tour() && !dialog => {
            let screen = ui.ctx().content_rect();
            let at = pos2(screen.right() - WIDTH - 2.0 * PAD - 16.0, screen.top() + 52.0);
            bubble(ui, at, |ui| offer(ui, state, out));
        }
        None => {}
    }
}

fn ring(ui: &Ui, rect: Rect) {
    let t = Tokens::of(ui);
    let layer = egui::LayerId::new(Order::Foreground, Id::unique("tour's ring"));
    let painter = ui.ctx().layer_painter(layer);
    painter.rect_stroke(rect.expand(4.0), CornerRadius::same(8), Stroke::new(2.5, t.sides[0]), StrokeKind::Outside);
}

/// How large it was when it was drawn last.
fn size(ui: &Ui) -> egui::Vec2 {
    let height = egui::AreaState::load(ui.ctx(), Id::unique(BUBBLE)).and_then(|area| area.size).map_or(180.0, |s| s.y);
    vec2(WIDTH + 2.0 * PAD, height)
}

/// For which step, of which size, about what, since which frame, and where.
type Placed = ((usize, usize, bool), [i32; 6], u64, Pos2);

/// So many frames a bubble may find a better place, while what a step has done comes into view. Then it stays.
const SETTLING: u64 = 4;

/// Where the bubble stands: where it hides least, and near what it is about. It does not run about while rows fade or grow.
fn settled(ui: &Ui, step: (usize, usize, bool), about: Option<Rect>) -> Pos2 {
    let (screen, size) = (ui.ctx().content_rect(), size(ui));
    let corners = about.unwrap_or(Rect::NOTHING);
    let key =
        [size.y, screen.width(), screen.height(), corners.left(), corners.top(), corners.right()].map(|n| n as i32);
    let (frame, memory) = (ui.ctx().cumulative_frame_nr(), Id::unique("tour's bubble stands"));
    let before = ui.data(|d| d.get_temp::<Placed>(memory)).filter(|(s, k, ..)| (*s, *k) == (step, key));
    let since = before.map_or(frame, |(_, _, since, _)| since);
    if let Some((_, _, since, at)) = before
        && frame > since + SETTLING
    {
        return at;
    }
    ui.ctx().request_repaint();
    let at = place(screen, size, about, &kept_clear(ui));
    ui.data_mut(|d| d.insert_temp::<Placed>(memory, (step, key, since, at)));
    at
}

/// What should be seen beside a bubble, and how much each part of it matters. Plain rows matter least.
fn kept_clear(ui: &Ui) -> Vec<(Rect, f32)> {
    let spots = [0, 1].into_iter().flat_map(|side| {
        [
            (Spot::Table(side), 0.25),
            (Spot::Head(side), 0.8),
            (Spot::Marked(side), 1.5),
            (Spot::Prepare(side), 1.0),
            (Spot::Cards(side), 1.5),
            (Spot::Listed(side), 1.5),
        ]
    });
    let whole = [(Spot::Verdict, 1.0), (Spot::Legend, 0.6), (Spot::Rule, 0.4), (Spot::Sync, 0.4), (Spot::Told, 1.0)];
    spots.chain(whole).filter_map(|(spot, weight)| Some((spot_rect(ui, spot)?, weight))).collect()
}

/// Steps between the places that are looked at, points.
const STEP: f32 = 16.0;
/// What a screen's way from the thing it is about costs, against hiding something of weight 1 with the whole bubble.
const FAR: f32 = 0.7;

/// Where a bubble hides least of what is to be kept clear, and nothing of what it is about, as near to that as may be; without
/// such a thing at the lower right.
fn place(screen: Rect, size: Vec2, about: Option<Rect>, clear: &[(Rect, f32)]) -> Pos2 {
    let room = Rect::from_min_max(screen.min + vec2(8.0, 8.0), (screen.max - vec2(8.0, 8.0) - size).max(screen.min));
    // A thing as large as a table cannot be kept clear whole: its head can.
    let near = about.unwrap_or_else(|| Rect::from_min_size(screen.right_bottom() - vec2(24.0, 40.0), Vec2::ZERO));
    let large = near.width() > screen.width() * 0.8 || near.height() > screen.height() * 0.4;
    let hidden = |bubble: Rect, what: Rect| {
        let both = bubble.intersect(what);
        if both.is_positive() { both.area() / bubble.area() } else { 0.0 }
    };
    let cost = |at: Pos2| {
        let bubble = Rect::from_min_size(at, size);
        let hides: f32 = clear.iter().map(|(what, weight)| weight * hidden(bubble, *what)).sum();
        let covers = if large { 0.0 } else { 8.0 * hidden(bubble, near.expand(10.0)) };
        let way = Vec2::new(
            (near.left() - bubble.right()).max(bubble.left() - near.right()).max(0.0),
            (near.top() - bubble.bottom()).max(bubble.top() - near.bottom()).max(0.0),
        );
        hides + covers + FAR * way.length() / screen.height()
    };
    let steps = |from: f32, to: f32| (0..=((to - from) / STEP).max(0.0) as usize).map(move |n| from + n as f32 * STEP);
    let ends = [room.max];
    let places =
        steps(room.top(), room.bottom()).flat_map(|y| steps(room.left(), room.right()).map(move |x| pos2(x, y)));
    let costs = places.chain(ends).map(|at| (cost(at), at));
    costs.min_by(|(a, _), (b, _)| a.total_cmp(b)).map_or(room.min, |(_, at)| at)
}

/// The bubble's ground, its text, and what is laid on it.
fn colours(ui: &Ui) -> (Color32, Color32) {
    let t = Tokens::of(ui);
    // A side's own colour is its text on any ground; as a ground itself it carries that ground's colour.
    (t.sides[0], t.field)
}

fn bubble(ui: &Ui, at: egui::Pos2, add: impl FnOnce(&mut Ui)) {
    let (ground, ink) = colours(ui);
    let area = Area::new(Id::unique(BUBBLE)).order(Order::Tooltip).fixed_pos(at).constrain(true);
    area.show(ui.ctx(), |ui| {
        let frame = Frame::new().fill(ground).corner_radius(8).inner_margin(Margin::same(PAD as i8));
        frame.shadow(ui.visuals().window_shadow).show(ui, |ui| {
            ui.set_width(WIDTH);
            ui.visuals_mut().override_text_color = Some(ink);
            ui.spacing_mut().item_spacing.y = 6.0;
            add(ui);
        });
    });
}

fn step(ui: &mut Ui, state: &State, tour: &Tour, out: &mut Vec<Command>) {
    let (_, ink) = colours(ui);
    let at = tour.at.min(tour.steps());
    let heading = match tour.step() {
        Some((part, _)) => format!("{} · step {} of {}", part.title, at + 1, tour.steps()),
        None => "That was the tour".to_owned(),
    };
    ui.add(Label::new(RichText::new(heading).font(semibold(TEXT)).color(ink)).wrap());
    let sign = if tour.was_refused() { "!" } else { "✓" };
    let shown = if tour.has_just_told_a_record() { TOLD_BY_DOCK } else { TOLD };
    for line in tour.before().iter().take(shown) {
        ui.add(Label::new(RichText::new(format!("{sign} {}", line.trim())).font(regular(SMALL)).color(ink)).wrap());
    }
    let more = tour.before().len().saturating_sub(shown);
    if more > 0 {
        ui.label(RichText::new(format!("and {more} more, under Activity")).font(regular(SMALL)).color(ink));
    }
    let text = match tour.step() {
        Some((_, step)) => step.text,
        None => {
            "Everything it showed can be done by hand, here or in your own databases. The situations are on the menu beside \
             “Guided tour”."
        }
    };
    ui.add(Label::new(RichText::new(text).font(regular(TEXT + 0.5)).color(ink)).wrap());
    if let Some(error) = &state.error {
        ui.add(Label::new(RichText::new(format!("! {}", error.message)).font(medium(TEXT)).color(ink)).wrap());
    }
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        if tour.at > 0 {
            action(ui, state, Command::TourBack, "Back", false, out);
        }
        match tour.step() {
            Some((_, step)) => {
                let text = match tour.is_read_again() {
                    true => "Next".to_owned(),
                    false => format!("Next: {}", verb(&step.act)),
                };
                action(ui, state, Command::TourNext, &text, true, out)
            }
            None => {
                let stay = action(ui, state, Command::TourStay, "Go on from here", true, out);
                if ui.memory(|m| m.focused().is_none()) {
                    stay.request_focus();
                }
                stay
            }
        };
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let text = if tour.has_next() { "Leave" } else { "Back to my databases" };
            let leave = Button::new(RichText::new(text).font(regular(12.0)).color(ink)).frame(false);
            let leave = ui.add(leave).accessible_name(Command::TourLeave.label(state));
            if leave.on_hover_text(Command::TourLeave.tooltip(state)).clicked() {
                out.push(Command::TourLeave);
            }
        });
    });
    if tour.has_next() {
        ui.label(RichText::new("F6 or Enter: next, Esc: leave").font(regular(SMALL)).color(ink));
    } else {
        ui.label(RichText::new("Enter: go on here, Esc: back to your databases").font(regular(SMALL)).color(ink));
    }
}

fn offer(ui: &mut Ui, state: &State, out: &mut Vec<Command>) {
    let (_, ink) = colours(ui);
    ui.label(RichText::new("New here?").font(semibold(TEXT)).color(ink));
    let text = "Two databases hold the same orders, are not connected, and both go on working. A guided tour shows in a few minutes \
                how they come together again, and who wins where both changed the same thing. It has databases of its own.";
    ui.add(Label::new(RichText::new(text).font(regular(TEXT + 0.5)).color(ink)).wrap());
    ui.add_space(2.0);
    ui.horizontal(|ui| {
        let take = action(ui, state, Command::Tour, "Take the tour", true, out);
        let decline = action(ui, state, Command::DeclineTour, "Not now", false, out);
        // The keyboard comes here first, once.
        let focused = Id::unique("tour's offer had the focus");
        if !ui.data(|d| d.get_temp::<bool>(focused)).unwrap_or_default() {
            ui.data_mut(|d| d.insert_temp(focused, true));
            take.request_focus();
        }
        if (take.lost_focus() || decline.lost_focus()) && ui.input(|i| i.key_pressed(Key::Escape)) {
            out.push(Command::DeclineTour);
        }
    });
}

/// A button on the bubble; the one that leads on is filled with the text's colour.
fn action(
    ui: &mut Ui,
    state: &State,
    command: Command,
    text: &str,
    leads_on: bool,
    out: &mut Vec<Command>,
) -> Response {
    let (ground, ink) = colours(ui);
    let (fill, words) = if leads_on { (ink, ground) } else { (ground, ink) };
    let enabled = command.enabled(state);
    let button =
        Button::new(RichText::new(text).font(medium(TEXT)).color(words)).fill(fill).stroke(Stroke::new(1.0, ink));
    let response = ui.add_enabled(enabled.is_ok(), button);
    let response = match enabled {
        Ok(()) => response,
        Err(reason) => response.on_disabled_hover_text(reason),
    };
    let response = response.accessible_name(text);
    if response.has_focus() {
        let ring = Stroke::new(2.0, ink);
        ui.painter().rect_stroke(response.rect.expand(2.0), CornerRadius::same(6), ring, StrokeKind::Outside);
    }
    if response.clicked() {
        out.push(command);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bubble_stays_on_the_screen_and_off_what_it_is_about() {
        for screen in [vec2(1000.0, 640.0), vec2(1600.0, 1000.0)] {
            let screen = Rect::from_min_size(pos2(0.0, 0.0), screen);
            for x in [0.0, 0.3, 0.6, 1.0] {
                for y in [0.0, 0.5, 1.0] {
                    for size in [vec2(80.0, 26.0), vec2(600.0, 500.0)] {
                        let min = pos2(x * (screen.width() - size.x), y * (screen.height() - size.y));
                        let (bubble, about) = (vec2(WIDTH, 200.0), Rect::from_min_size(min, size));
                        let at = Rect::from_min_size(place(screen, bubble, Some(about), &[]), bubble);
                        assert!(screen.contains_rect(at), "{at} on {screen}");
                        assert!(size.x > 100.0 || !at.intersects(about), "{at} hides {about}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_bubble_hides_what_matters_least() {
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(1600.0, 1000.0));
        let button = Rect::from_min_size(pos2(700.0, 150.0), vec2(200.0, 26.0));
        let beside = |x: f32| Rect::from_min_size(pos2(x, 100.0), vec2(680.0, 300.0));
        let clear = [(beside(0.0), 1.5), (beside(920.0), 1.5)];
        let bubble = vec2(WIDTH, 150.0);
        let at = Rect::from_min_size(place(screen, bubble, Some(button), &clear), bubble);
        assert!(clear.iter().all(|(rect, _)| !at.intersects(*rect)), "{at}");
        assert!(at.top() < 500.0, "{at} is far from {button}");
    }
}
