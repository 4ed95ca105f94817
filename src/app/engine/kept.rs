//! The orders of both sides as they were read last. A view reads again only what was filed since, and what is not the same at
//! both sides.
//!
//! Where that cannot be told (another program has taken a set back, altered a table, or written past the triggers), all is read
//! again. The invariant: after every view, number and sum of what is kept are those of the tables.

use std::collections::{HashMap, HashSet};

use rusqlite::types::ValueRef;

use super::Engine;
use crate::app::lines::Lines;
use crate::app::view::{Line, Mark};
use crate::demo::model::Order;
use crate::demo::query;
use crate::demo::tables::ORDER;
use crate::sync::{ErrorKind, Guid, Looked, Node, NodeId, Result, Rule, Value};

/// What an order refers to.
const REFERENCES: [&str; 3] = ["Employee", "Customer", "Item"];

/// What orders of one side can refer to: by class, local key to GUID and name.
pub(in crate::app) struct Referred(HashMap<&'static str, HashMap<i64, (Guid, String)>>);

impl Referred {
    /// Reads all.
    pub(in crate::app) fn read(node: &Node) -> Result<Referred> {
        let mut referred = HashMap::new();
        for name in REFERENCES {
            let class = node.class(name)?;
            let mut known = HashMap::new();
            for (key, shown) in query::choices(node, name)? {
                if let Some(guid) = node.guid_of(class, key)? {
                    known.insert(key, (guid, shown));
                }
            }
            referred.insert(name, known);
        }
        Ok(Referred(referred))
    }

    /// Names by GUID.
    pub(in crate::app) fn names(&self) -> impl Iterator<Item = (Guid, String)> {
        self.0.values().flat_map(|known| known.values().cloned())
    }

    fn guid(&self, class: &str, key: i64) -> Option<Guid> {
        self.0.get(class)?.get(&key).map(|(guid, _)| *guid)
    }

    /// Every key means the same object as before.
    fn means_the_same(&self, before: &Referred) -> bool {
        let guids = |of: &Referred, class: &str| -> HashMap<i64, Guid> {
            of.0.get(class)
                .map(|known| known.iter().map(|(key, (guid, _))| (*key, *guid)).collect())
                .unwrap_or_default()
        };
        REFERENCES.iter().all(|class| guids(self, class) == guids(before, class))
    }
}

/// What is kept from one view to the next.
pub(super) struct Kept {
    nodes: [NodeId; 2],
    looked: [Looked; 2],
    referred: [Referred; 2],
    lines: Lines,
    /// What is not the same at both sides, or is still to be told.
    special: HashSet<Guid>,
    /// How many orders each side has, and the sum of the lower halves of their numbers, which are as large as other programs like.
    totals: [(i64, i64); 2],
}

impl Kept {
    /// A line in place of its object's, which may be gone.
    fn put(&mut self, guid: Guid, line: Option<Line>) {
        match line.as_ref().is_none_or(is_same) {
            true => self.special.remove(&guid),
            false => self.special.insert(guid),
        };
        if let Some(line) = &line {
            self.count(&line.orders, 1);
        }
        let before = match line {
            Some(line) => self.lines.put(line),
            None => self.lines.remove(guid),
        };
        if let Some(before) = before {
            self.count(&before.orders, -1);
        }
    }

    fn count(&mut self, orders: &[Option<Order>; 2], sign: i64) {
        for (total, order) in self.totals.iter_mut().zip(orders) {
            if let Some(order) = order {
                *total = (total.0 + sign, total.1 + sign * (order.order_num & 0xffff_ffff));
            }
        }
    }
}

impl Engine {
    /// The lines of a view, and which of them the rule will combine. `ahead`: what each side has filed that the other has not
    /// received.
    pub(in crate::app) fn lines(
        &mut self,
        referred: [Referred; 2],
        ahead: &[HashSet<Guid>; 2],
        rule: Rule,
    ) -> Result<(Lines, HashSet<Guid>)> {
        // Before anything is read: what is written meanwhile is read again next time.
        let looked = [self.env.nodes[0].look()?, self.env.nodes[1].look()?];
        // One moment of each side: a lock taken and let go again by each of many thousand statements takes as long as what they
        // read, and what is written meanwhile would make number and sum disagree.
        let _moments = [
            self.env.nodes[0].connection().unchecked_transaction()?,
            self.env.nodes[1].connection().unchecked_transaction()?,
        ];
        let (mut kept, news) = match self.kept.take() {
            Some(kept) => match self.news(&kept, &referred)? {
                Some(news) => (Kept { looked, referred, ..kept }, news),
                None => (self.all(looked, referred)?, HashSet::new()),
            },
            None => (self.all(looked, referred)?, HashSet::new()),
        };
        self.refresh(&mut kept, &news, ahead, rule)?;
        if !self.agrees(&kept)? {
            // Something was written past the journal.
            let Kept { looked, referred, lines, special, .. } = kept;
            drop((lines, special));
            kept = self.all(looked, referred)?;
            self.refresh(&mut kept, &HashSet::new(), ahead, rule)?;
        }
        let combined =
            kept.special.iter().filter(|guid| kept.lines.of(**guid).is_some_and(|line| line.combines())).copied();
        let answer = (kept.lines.clone(), combined.collect());
        self.kept = Some(kept);
        Ok(answer)
    }

    /// What was filed since what is kept was read; `None`: all is to be read again.
    fn news(&self, kept: &Kept, referred: &[Referred; 2]) -> Result<Option<HashSet<Guid>>> {
        let nodes = [&self.env.nodes[0], &self.env.nodes[1]];
        if nodes.map(|n| n.info().guid) != kept.nodes || !(0..2).all(|i| referred[i].means_the_same(&kept.referred[i]))
        {
            return Ok(None);
        }
        let mut filed = HashSet::new();
        for (node, looked) in nodes.iter().zip(&kept.looked) {
            match node.filed_since(node.class(ORDER)?, looked)? {
                Some(guids) => filed.extend(guids),
                None => return Ok(None),
            }
        }
        Ok(Some(filed))
    }

    /// Everything as it is now, without what is still to be told of it.
    fn all(&self, looked: [Looked; 2], referred: [Referred; 2]) -> Result<Kept> {
        let nodes = [0, 1].map(|side| self.env.nodes[side].info().guid);
        let (lines, special) = (Lines::default(), HashSet::new());
        let mut kept = Kept { nodes, looked, referred, lines, special, totals: Default::default() };
        let nothing = [HashSet::new(), HashSet::new()];
        query::each_order(&self.env.nodes[0], |guid, order| {
            // Until the other side is read it looks new, and nearly none is: that is not worth noting.
            let line = Line::new(guid, [Some(order), None], [Mark::New, Mark::None], [false; 6]);
            kept.count(&line.orders, 1);
            kept.lines.put(line);
        })?;
        query::each_order(&self.env.nodes[1], |guid, order| {
            let there = kept.lines.of(guid).and_then(|mut line| line.orders[0].take());
            kept.put(guid, line(guid, [there, Some(order)], &kept.referred, &nothing));
        })?;
        let alone = kept.lines.iter().filter(|line| line.orders[1].is_none());
        kept.special.extend(alone.map(|line| line.guid));
        Ok(kept)
    }

    /// Makes the lines of what is news, and again of what is not the same at both sides.
    fn refresh(&self, kept: &mut Kept, news: &HashSet<Guid>, ahead: &[HashSet<Guid>; 2], rule: Rule) -> Result<()> {
        let mut again: HashSet<Guid> = ahead.iter().flatten().copied().collect();
        again.extend(kept.special.iter().chain(news));
        for guid in again {
            let orders = match kept.lines.of(guid) {
                Some(line) if !news.contains(&guid) => line.orders,
                _ => [order_of(&self.env.nodes[0], guid)?, order_of(&self.env.nodes[1], guid)?],
            };
            let mut made = line(guid, orders, &kept.referred, ahead);
            if let Some(line) = made.as_mut().filter(|l| l.marks != [Mark::None; 2]) {
                self.finish(line, &kept.referred, rule)?;
            }
            kept.put(guid, made);
        }
        Ok(())
    }

    /// What the marks alone do not say.
    fn finish(&self, line: &mut Line, referred: &[Referred; 2], rule: Rule) -> Result<()> {
        if line.marks.contains(&Mark::New) {
            // An order that the other side had and deleted, a deletion that lost, is not new there.
            let there = usize::from(line.marks[0] == Mark::New);
            let node = &self.env.nodes[there];
            if node.current(node.class(ORDER)?, line.guid)?.is_some() {
                line.marks[1 - there] = Mark::Changed;
            }
        }
        if line.conflict() {
            self.foretell(line, referred)?;
            if rule == Rule::MergeProperties && will_be_combined(line) {
                line.marks = [Mark::Combine; 2];
            }
        }
        Ok(())
    }

    fn agrees(&self, kept: &Kept) -> Result<bool> {
        let sql = "SELECT count(*), coalesce(sum(order_num & 0xffffffff), 0) FROM orders";
        for (node, total) in self.env.nodes.iter().zip(kept.totals) {
            let found: (i64, i64) =
                node.connection().prepare_cached(sql)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?)))?;
            if found != total {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What both sides of a conflict ahead started from, and what each of them changed.
    fn foretell(&self, line: &mut Line, referred: &[Referred; 2]) -> Result<()> {
        let [master, client] = [&self.env.nodes[0], &self.env.nodes[1]];
        let Some(theirs) = client.current(client.class(ORDER)?, line.guid)? else { return Ok(()) };
        let class = master.class(ORDER)?;
        let Some(Some(values)) = master.last_common(class, line.guid, &theirs.state.vector)? else { return Ok(()) };
        let value = |name: &str| class.property(name).map_or(&Value::Null, |i| &values[i]);
        let key = |name: &str, of: &str| match value(name) {
            Value::Reference(guid) => master.key_of(master.class(of)?, *guid).map(Option::unwrap_or_default),
            _ => Ok(0),
        };
        let number = |name: &str| {
            query::decimal(match value(name) {
                Value::Integer(n) => ValueRef::Integer(*n),
                Value::Real(r) => ValueRef::Real(*r),
                _ => ValueRef::Null,
            })
        };
        let common = Order {
            order_num: 0,
            employee: key("employee", "Employee")?,
            customer: key("customer", "Customer")?,
            date_order: value("date_order").shown().into(),
            item: key("item", "Item")?,
            quantity: number("quantity"),
            price: number("price"),
        };
        for side in [0, 1] {
            if let Some(order) = &line.orders[side] {
                line.changed[side] = differences([&common, order], [&referred[0], &referred[side]]);
            }
        }
        line.common = Some(Box::new(common));
        Ok(())
    }
}

fn order_of(node: &Node, guid: Guid) -> Result<Option<Order>> {
    let Some(number) = node.key_of(node.class(ORDER)?, guid)? else { return Ok(None) };
    match query::order(node, number) {
        Ok(order) => Ok(Some(order)),
        Err(e) if e.kind() == ErrorKind::Constraint => Ok(None),
        Err(e) => Err(e),
    }
}

/// Which columns differ between two orders, each with its side's keys.
fn differences([a, b]: [&Order; 2], [x, y]: [&Referred; 2]) -> [bool; 6] {
    let same = |class, key, other| x.guid(class, key) == y.guid(class, other);
    [
        !same("Employee", a.employee, b.employee),
        !same("Customer", a.customer, b.customer),
        a.date_order != b.date_order,
        !same("Item", a.item, b.item),
        a.quantity != b.quantity,
        a.price != b.price,
    ]
}

/// Both sides have the same order, and neither has anything to tell.
fn is_same(line: &Line) -> bool {
    line.marks == [Mark::None; 2] && !line.differs.contains(&true) && line.orders.iter().all(Option::is_some)
}

/// Both sides changed the order, but no property to different values.
fn will_be_combined(line: &Line) -> bool {
    let clash = |i: usize| line.differs[i] && line.changed[0][i] && line.changed[1][i];
    line.conflict() && line.common.is_some() && line.orders.iter().all(Option::is_some) && !(0..6).any(clash)
}

/// `None` where neither side has the order any more and nothing is to be told.
fn line(guid: Guid, orders: [Option<Order>; 2], referred: &[Referred; 2], ahead: &[HashSet<Guid>; 2]) -> Option<Line> {
    if orders.iter().all(Option::is_none) {
        return None;
    }
    let mut differs = [false; 6];
    if let [Some(a), Some(b)] = &orders {
        differs = differences([a, b], [&referred[0], &referred[1]]);
    }
    let contents_differ = differs.contains(&true) || orders.iter().any(Option::is_none);
    let told = [0, 1].map(|side| ahead[side].contains(&guid));
    let marks = match told {
        // Both made the same change, or a change and its decision: nothing to decide any more.
        _ if !contents_differ => [Mark::None; 2],
        [true, true] => [Mark::Conflict; 2],
        _ => [0, 1].map(|side| match (told[side], &orders[side], &orders[1 - side]) {
            (false, ..) => Mark::None,
            (true, Some(_), None) => Mark::New,
            (true, Some(_), Some(_)) => Mark::Changed,
            (true, None, _) => Mark::Deleted,
        }),
    };
    Some(Line::new(guid, orders, marks, differs))
}
