//! Every order of either side, in pieces that one view shares with the next: after a change, only the pieces that hold what has
//! changed are new.

use std::collections::HashMap;
use std::ops::Index;
use std::sync::Arc;

use super::view::Line;
use crate::sync::Guid;

/// How many lines a piece has.
const PIECE: usize = 512;
/// From so many pieces on, a thread frees them.
const MANY: usize = 64;

/// One line an object, unsorted.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    pieces: Vec<Arc<Vec<Line>>>,
    places: Arc<HashMap<Guid, u32>>,
}

impl Lines {
    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The line at a place.
    pub fn get(&self, place: usize) -> Option<&Line> {
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// Where an object is.
    pub fn place(&self, guid: Guid) -> Option<usize> {
        self.places.get(&guid).map(|place| *place as usize)
    }

    /// The line of an object.
    pub fn of(&self, guid: Guid) -> Option<&Line> {
        self.get(self.place(guid)?)
    }

    /// Puts a line where its object's was, or at the end.
    pub fn put(&mut self, line: Line) {
        if let Some(place) = self.place(line.guid) {
            if let Some(old) = self.at_mut(place) {
                *old = line;
            }
            return;
        }
        let place = self.len();
        Arc::make_mut(&mut self.places).insert(line.guid, place as u32);
        if place.is_multiple_of(PIECE) {
            self.pieces.push(Arc::new(Vec::with_capacity(PIECE)));
        }
        if let Some(piece) = self.pieces.last_mut() {
            Arc::make_mut(piece).push(line);
        }
    }

    /// Takes an object's line away; the last one comes to its place.
    pub fn remove(&mut self, guid: Guid) {
        let Some(place) = self.place(guid) else { return };
        Arc::make_mut(&mut self.places).remove(&guid);
        let Some(last) = self.pieces.last_mut().and_then(|piece| Arc::make_mut(piece).pop()) else { return };
        if self.pieces.last().is_some_and(|piece| piece.is_empty()) {
            self.pieces.pop();
        }
        if last.guid != guid {
            Arc::make_mut(&mut self.places).insert(last.guid, place as u32);
            if let Some(hole) = self.at_mut(place) {
                *hole = last;
            }
        }
    }

    fn at_mut(&mut self, place: usize) -> Option<&mut Line> {
        Arc::make_mut(self.pieces.get_mut(place / PIECE)?).get_mut(place % PIECE)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.pieces.len() < MANY {
            return;
        }
        // Who lets go of a million lines last is often the window, and to free them takes many frames. Without a thread they
        // are freed here.
        let gone = (std::mem::take(&mut self.pieces), std::mem::take(&mut self.places));
        let _ = std::thread::Builder::new().name("lines".into()).spawn(move || drop(gone));
    }
}

impl Index<usize> for Lines {
    type Output = Line;

    fn index(&self, place: usize) -> &Line {
        &self.pieces[place / PIECE][place % PIECE]
    }
}

impl FromIterator<Line> for Lines {
    fn from_iter<T: IntoIterator<Item = Line>>(lines: T) -> Self {
        let mut all = Lines::default();
        lines.into_iter().for_each(|line| all.put(line));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::view::Mark;
    use crate::sync::NodeId;

    fn line(serial: u64) -> Line {
        Line::new(Guid { node: NodeId(1), serial }, [None, None], [Mark::None; 2], [false; 6])
    }

    #[test]
    fn lines_are_found_replaced_and_removed_and_a_copy_stays_as_it_was() {
        let mut lines: Lines = (0..2000).map(line).collect();
        let before = lines.clone();
        let of = |serial| Guid { node: NodeId(1), serial };
        lines.put(Line { marks: [Mark::New; 2], ..line(700) });
        for serial in [0, 1999, 512, 1998, 5] {
            lines.remove(of(serial));
        }
        lines.remove(of(0));
        lines.put(line(3000));
        assert_eq!((lines.len(), before.len()), (1996, 2000));
        let mut serials: Vec<u64> = lines.iter().map(|l| l.guid.serial).collect();
        serials.sort_unstable();
        let gone = [0, 5, 512, 1998, 1999];
        let expected: Vec<u64> = (0..2000).filter(|s| !gone.contains(s)).chain([3000]).collect();
        assert_eq!(serials, expected);
        for serial in expected {
            assert_eq!(lines.of(of(serial)).map(|l| l.guid.serial), Some(serial));
        }
        assert_eq!(lines.of(of(700)).map(|l| l.marks[0]), Some(Mark::New));
        assert_eq!(before.of(of(700)).map(|l| l.marks[0]), Some(Mark::None));
        assert_eq!(before.of(of(5)).map(|l| l.guid.serial), Some(5));
        // Pieces that hold nothing new are the same ones.
        let shared = before.pieces.iter().zip(&lines.pieces).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, 1, "the third of four pieces holds nothing new");
    }
}
