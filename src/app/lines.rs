//! Every order of either side, in pieces that one view shares with the next: after a change, only the pieces that hold what has
//! changed are new.
//!
//! A million lines are kept and some fifty are seen, so they are kept small, and a [`Line`] is made of one when somebody looks.

use std::sync::Arc;

use smol_str::SmolStr;

use super::view::{Line, Mark, SideIndex};
use crate::demo::model::{Decimal, Order};
use crate::sync::Guid;

/// How many lines a piece has at most.
const PIECE: usize = 512;

/// One line an object, by GUID.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<Piece>);

/// Lines that follow each other; at least one.
#[derive(Clone, Debug)]
struct Piece {
    /// How many lines stand before it.
    start: usize,
    /// No line of it has a lower GUID, and none of the piece before has a higher one.
    first: Guid,
    lines: Arc<Vec<Packed>>,
}

impl Lines {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |piece| piece.start + piece.lines.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The line at a place.
    pub fn get(&self, place: usize) -> Option<Line> {
        let piece = self.0.get(self.0.partition_point(|piece| piece.start <= place).checked_sub(1)?)?;
        piece.lines.get(place - piece.start).map(Packed::line)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Line> {
        self.packed().map(Packed::line)
    }

    /// Where an object is.
    pub fn place(&self, guid: Guid) -> Option<usize> {
        let (piece, at) = self.find(guid);
        Some(self.0.get(piece)?.start + at.ok()?)
    }

    /// The line of an object.
    pub fn of(&self, guid: Guid) -> Option<Line> {
        let (piece, at) = self.find(guid);
        self.0.get(piece)?.lines.get(at.ok()?).map(Packed::line)
    }

    /// The object that is a side's order of that number.
    pub fn numbered(&self, side: SideIndex, number: i64) -> Option<Guid> {
        self.packed().find(|line| line.number(side) == Some(number)).map(Packed::guid)
    }

    /// Puts a line among the others; the one that its object had.
    pub fn put(&mut self, line: Line) -> Option<Line> {
        let guid = line.guid;
        let (mut piece, at) = self.find(guid);
        let mut at = match at {
            Ok(at) => {
                let old = &mut Arc::make_mut(&mut self.0[piece].lines)[at];
                return Some(std::mem::replace(old, Packed::new(line)).line());
            }
            Err(at) => at,
        };
        if self.0.is_empty() {
            self.0.push(Piece { start: 0, first: guid, lines: Arc::default() });
        }
        let full = &mut self.0[piece];
        if full.lines.len() == PIECE {
            // New orders mostly follow all others of their node: then nothing moves, and the pieces stay full.
            let half = if at == PIECE { PIECE } else { PIECE / 2 };
            let rest = Arc::make_mut(&mut full.lines).split_off(half);
            let first = rest.first().map_or(guid, Packed::guid);
            let new = Piece { start: full.start + half, first, lines: Arc::new(rest) };
            self.0.insert(piece + 1, new);
            if at >= half {
                (piece, at) = (piece + 1, at - half);
            }
        }
        let place = &mut self.0[piece];
        place.first = place.first.min(guid);
        let lines = Arc::make_mut(&mut place.lines);
        lines.reserve_exact(PIECE - lines.len());
        lines.insert(at, Packed::new(line));
        self.0[piece + 1..].iter_mut().for_each(|after| after.start += 1);
        None
    }

    /// Takes an object's line away.
    pub fn remove(&mut self, guid: Guid) -> Option<Line> {
        let (piece, at) = self.find(guid);
        let lines = Arc::make_mut(&mut self.0.get_mut(piece)?.lines);
        let old = lines.remove(at.ok()?);
        let empty = lines.is_empty();
        self.0[piece + 1..].iter_mut().for_each(|after| after.start -= 1);
        if empty {
            self.0.remove(piece);
        }
        Some(old.line())
    }

    fn packed(&self) -> impl Iterator<Item = &Packed> {
        self.0.iter().flat_map(|piece| piece.lines.iter())
    }

    /// The piece that has an object or would have it, and where in it the object is or would be.
    fn find(&self, guid: Guid) -> (usize, Result<usize, usize>) {
        let piece = self.0.partition_point(|piece| piece.first <= guid).saturating_sub(1);
        let at = self.0.get(piece).map_or(Err(0), |piece| piece.lines.binary_search_by_key(&guid, Packed::guid));
        (piece, at)
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Self {
        let mut all = Lines::default();
        lines.into_iter().for_each(|line| drop(all.put(line)));
        all
    }
}

/// A line as it is kept: a quarter of its size where it says no more than nearly all do.
#[derive(Clone, Debug)]
enum Packed {
    Plain(Guid, PackedOrder),
    Other(Box<Line>),
}

/// Of which side it is.
#[derive(Clone, Copy, Debug)]
enum Stands {
    /// Both have it, and the same.
    Same,
    /// New at MASTER.
    Master,
    /// New at CLIENT.
    Client,
}

/// An order whose numbers are not out of the ordinary.
#[derive(Clone, Debug)]
struct PackedOrder {
    number: u32,
    employee: u32,
    customer: u32,
    item: u32,
    quantity: u32,
    price: u32,
    /// Its digits in pairs.
    date: [u8; 7],
    stands: Stands,
}

impl Packed {
    fn new(line: Line) -> Packed {
        let (order, stands) = match (&line.orders, line.marks) {
            ([Some(a), Some(b)], [Mark::None, Mark::None]) if a == b => (a, Stands::Same),
            ([Some(order), None], [Mark::New, Mark::None]) => (order, Stands::Master),
            ([None, Some(order)], [Mark::None, Mark::New]) => (order, Stands::Client),
            _ => return Packed::Other(Box::new(line)),
        };
        let says_more = line.common.is_some() || (line.differs, line.changed) != ([false; 6], [[false; 6]; 2]);
        match PackedOrder::new(order, stands).filter(|_| !says_more) {
            Some(order) => Packed::Plain(line.guid, order),
            None => Packed::Other(Box::new(line)),
        }
    }

    fn line(&self) -> Line {
        let (guid, order, stands) = match self {
            Packed::Plain(guid, order) => (*guid, order.order(), order.stands),
            Packed::Other(line) => return (**line).clone(),
        };
        let (orders, marks) = match stands {
            Stands::Same => ([Some(order.clone()), Some(order)], [Mark::None; 2]),
            Stands::Master => ([Some(order), None], [Mark::New, Mark::None]),
            Stands::Client => ([None, Some(order)], [Mark::None, Mark::New]),
        };
        Line::new(guid, orders, marks, [false; 6])
    }

    fn guid(&self) -> Guid {
        match self {
            Packed::Plain(guid, ..) => *guid,
            Packed::Other(line) => line.guid,
        }
    }

    fn number(&self, side: SideIndex) -> Option<i64> {
        match self {
            Packed::Plain(_, order) => match (order.stands, side) {
                (Stands::Master, 1) | (Stands::Client, 0) => None,
                _ => Some(order.number.into()),
            },
            Packed::Other(line) => line.orders[side].as_ref().map(|order| order.order_num),
        }
    }
}

impl PackedOrder {
    /// `None` where something has no room, or the date is not as the table wants it: other programs can write anything.
    fn new(order: &Order, stands: Stands) -> Option<PackedOrder> {
        let small = |n: i64| u32::try_from(n).ok();
        let packed = PackedOrder {
            number: small(order.order_num)?,
            employee: small(order.employee)?,
            customer: small(order.customer)?,
            item: small(order.item)?,
            quantity: small(order.quantity.hundredths())?,
            price: small(order.price.hundredths())?,
            date: pairs(&order.date_order)?,
            stands,
        };
        (date(packed.date) == order.date_order).then_some(packed)
    }

    fn order(&self) -> Order {
        Order {
            order_num: self.number.into(),
            employee: self.employee.into(),
            customer: self.customer.into(),
            date_order: date(self.date),
            item: self.item.into(),
            quantity: Decimal::from_hundredths(self.quantity.into()),
            price: Decimal::from_hundredths(self.price.into()),
        }
    }
}

/// Where the pairs of digits of a date begin.
const PAIRS: [usize; 7] = [0, 2, 5, 8, 11, 14, 17];

fn pairs(date: &str) -> Option<[u8; 7]> {
    let date: &[u8; 19] = date.as_bytes().try_into().ok()?;
    let digit = |at: usize| date[at].wrapping_sub(b'0');
    Some(PAIRS.map(|at| digit(at).wrapping_mul(10).wrapping_add(digit(at + 1))))
        .filter(|pairs| pairs.iter().all(|p| *p < 100))
}

fn date(pairs: [u8; 7]) -> SmolStr {
    let mut text = *b"0000-00-00 00:00:00";
    for (at, pair) in PAIRS.into_iter().zip(pairs) {
        text[at] += pair / 10;
        text[at + 1] += pair % 10;
    }
    std::str::from_utf8(&text).map(SmolStr::new_inline).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::NodeId;

    fn of(serial: u64) -> Guid {
        Guid { node: NodeId(1), serial }
    }

    fn line(serial: u64) -> Line {
        Line::new(of(serial), [None, None], [Mark::None; 2], [false; 6])
    }

    #[test]
    fn lines_are_found_replaced_and_removed_and_a_copy_stays_as_it_was() {
        let mut lines: Lines = (0..2000).map(line).collect();
        let before = lines.clone();
        assert_eq!(lines.put(Line { marks: [Mark::New; 2], ..line(700) }), Some(line(700)));
        for serial in [0, 1999, 512, 1998, 5] {
            assert_eq!(lines.remove(of(serial)), Some(line(serial)));
        }
        assert_eq!((lines.remove(of(0)), lines.put(line(3000))), (None, None));
        assert_eq!((lines.len(), before.len()), (1996, 2000));
        let serials: Vec<u64> = lines.iter().map(|l| l.guid.serial).collect();
        let gone = [0, 5, 512, 1998, 1999];
        let expected: Vec<u64> = (0..2000).filter(|s| !gone.contains(s)).chain([3000]).collect();
        assert_eq!(serials, expected);
        for (place, serial) in expected.into_iter().enumerate() {
            assert_eq!(lines.of(of(serial)).map(|l| l.guid.serial), Some(serial));
            assert_eq!((lines.place(of(serial)), lines.get(place).map(|l| l.guid)), (Some(place), Some(of(serial))));
        }
        assert_eq!(lines.of(of(700)).map(|l| l.marks[0]), Some(Mark::New));
        assert_eq!(before.of(of(700)).map(|l| l.marks[0]), Some(Mark::None));
        assert_eq!(before.of(of(5)).map(|l| l.guid.serial), Some(5));
        // Pieces that hold nothing new are the same ones.
        let shared = before.0.iter().zip(&lines.0).filter(|(a, b)| Arc::ptr_eq(&a.lines, &b.lines)).count();
        assert_eq!(shared, 1, "the third of four pieces holds nothing new");
    }

    #[test]
    fn lines_stand_by_guid_in_whatever_order_they_come_and_go() {
        let mut lines = Lines::default();
        // Neither in order nor against it, and every one once.
        let shuffled = || (0..5003u64).map(|n| n * 1777 % 5003);
        for (count, serial) in shuffled().enumerate() {
            assert_eq!((lines.put(line(serial)), lines.len()), (None, count + 1));
        }
        assert!(lines.iter().map(|l| l.guid.serial).eq(0..5003));
        assert!(lines.0.iter().all(|piece| (1..=PIECE).contains(&piece.lines.len())));
        for serial in shuffled().filter(|serial| *serial != 77) {
            assert!(lines.remove(of(serial)).is_some());
            if serial % 97 == 0 {
                assert_eq!(lines.place(of(77)), lines.iter().position(|l| l.guid == of(77)));
            }
        }
        assert_eq!((lines.len(), lines.place(of(77))), (1, Some(0)));
        assert!(lines.remove(of(77)).is_some() && lines.is_empty() && lines.get(0).is_none());
    }

    #[test]
    fn a_line_is_the_same_after_it_was_packed() {
        assert_eq!(size_of::<Packed>(), 48, "a million lines take so many MB");
        let plain = Order {
            order_num: 1004,
            employee: 1,
            customer: 2,
            date_order: "2026-11-20 16:44:42".into(),
            item: 3,
            quantity: Decimal::whole(446),
            price: Decimal::from_hundredths(1234),
        };
        let with = |change: &dyn Fn(&mut Order)| {
            let mut order = plain.clone();
            change(&mut order);
            order
        };
        let both = |order: &Order| [Some(order.clone()), Some(order.clone())];
        let dated = |date: &str| with(&|o| o.date_order = date.into());
        let (same, none) = ([false; 6], [Mark::None; 2]);
        let make = |orders, marks, differs| Line::new(of(1), orders, marks, differs);
        let mut ahead = make(both(&plain), none, same);
        ahead.common = Some(plain.clone().into());
        for (line, is_plain) in [
            (make(both(&plain), none, same), true),
            (make(both(&dated("9999-99-99 99:99:99")), none, same), true),
            (make([Some(plain.clone()), None], [Mark::New, Mark::None], same), true),
            (make([None, Some(plain.clone())], [Mark::None, Mark::New], same), true),
            (make([None, Some(plain.clone())], none, same), false),
            (make(both(&plain), [Mark::Changed, Mark::None], same), false),
            (make(both(&plain), none, [true; 6]), false),
            (make([Some(plain.clone()), Some(with(&|o| o.order_num = 7))], none, same), false),
            (make(both(&with(&|o| o.order_num = -1)), none, same), false),
            (make(both(&with(&|o| o.item = i64::MAX)), none, same), false),
            (make(both(&dated("yesterday")), none, same), false),
            (make(both(&dated("2026-11-20T16:44:42")), none, same), false),
            (make(both(&dated("2026-1:-20 16:44:42")), none, same), false),
            (make(both(&dated("a date that is longer than any date is")), none, same), false),
            (ahead, false),
        ] {
            let packed = Packed::new(line.clone());
            assert_eq!(matches!(packed, Packed::Plain(..)), is_plain, "{line:?}");
            assert_eq!(
                (packed.guid(), [0, 1].map(|side| packed.number(side))),
                (line.guid, line.orders.each_ref().map(|o| o.as_ref().map(|o| o.order_num)))
            );
            assert_eq!(packed.line(), line);
        }
    }
}
