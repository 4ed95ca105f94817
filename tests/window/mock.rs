//! Two sides in memory that behave as the engine does where the window can tell: numbers, marks, lanes, sets, records.

use std::sync::{Arc, Mutex};

use objsync::app::view::*;
use objsync::demo::model::{Decimal, Order, OrderDraft};
use objsync::sync::{Guid, NodeId, Rule};

const EMPLOYEES: [&str; 8] = [
    "Haddad, Lena",
    "Garcia, Marta",
    "Alvarez, Nuno",
    "Fofana, Awa",
    "Chen, Wei",
    "Baker, Tom",
    "Dietrich, Hanna",
    "Ito, Ken",
];
const CUSTOMERS: [&str; 8] = [
    "Evergreen Ltd.",
    "Acme Dynamics",
    "Helios Media",
    "Cobalt Systems",
    "Fjord Marine",
    "Granite Works",
    "Delta Freight",
    "BlueRiver Foods",
];
const ITEMS: [&str; 8] = [
    "Gasket kit",
    "Hex bolt M8",
    "Drill bit set",
    "Flange DN50",
    "Ball valve 2\"",
    "Epoxy resin",
    "Impeller",
    "Copper coil",
];

/// What a test sees and steers from outside.
#[derive(Default)]
pub struct Switchboard {
    /// Every action that was run.
    pub actions: Vec<Action>,
    /// The next action fails with this.
    pub fail_next: Option<Failure>,
    /// Another program has written: the next view has one order more.
    pub written_elsewhere: bool,
    /// How long every action takes.
    pub slow: std::time::Duration,
    /// No view can be read.
    pub unreadable: Option<Failure>,
    /// The next action panics.
    pub panic_next: bool,
}

/// The environment.
pub struct MockBackend {
    view: View,
    board: Arc<Mutex<Switchboard>>,
    serial: u64,
    dice: u64,
}

impl MockBackend {
    /// `orders` orders on both sides, and the differences of the design picture.
    pub fn new(orders: i64, board: Arc<Mutex<Switchboard>>) -> Self {
        let mut mock = MockBackend { view: View::default(), board, serial: 0, dice: 7 };
        mock.view.dir = std::env::temp_dir().join("demo");
        for side in 0..2 {
            let name = ["MASTER", "CLIENT"][side];
            let list = |names: &[&str]| {
                names.iter().enumerate().map(|(i, n)| Choice { key: i as i64 + 1, name: (*n).into() }).collect()
            };
            mock.view.sides[side] = Side {
                name: name.into(),
                guid: ["7f3c20b1d5e8a91e", "c20b7f3ce1a944d7"][side].into(),
                file: mock.view.dir.join(["master.db", "client.db"][side]),
                bytes: 412 * 1024,
                transaction: [1034, 1032][side],
                received: 1028,
                orders: 0,
                employees: list(&EMPLOYEES),
                customers: list(&CUSTOMERS),
                items: list(&ITEMS),
                requeued: vec![],
            };
            mock.view.lanes[side].next_id = 1000;
        }
        for number in 1..=orders {
            let order = mock.random(number);
            mock.push([Some(order.clone()), Some(order)], [Mark::None; 2]);
        }
        mock.differences(orders);
        mock.records();
        mock.settle();
        mock
    }

    fn differences(&mut self, n: i64) {
        let at = |back: i64| (n - 1 - back) as usize;
        let lines = &mut self.view.lines;
        let change = |line: &mut Line, side: usize, mark, quantity: i64, price: i64| {
            line.marks[side] = mark;
            if let Some(order) = &mut line.orders[side] {
                order.quantity = Decimal::whole(quantity);
                order.price = Decimal::from_hundredths(price);
            }
        };
        change(&mut lines[at(4)], 0, Mark::Conflict, 401, 51200);
        change(&mut lines[at(4)], 1, Mark::Conflict, 460, 44600);
        change(&mut lines[at(7)], 0, Mark::Changed, 77, 124950);
        lines[at(11)].marks[1] = Mark::Changed;
        if let Some(order) = &mut lines[at(11)].orders[1] {
            order.employee = order.employee % 8 + 1;
        }
        lines[at(15)].marks = [Mark::Deleted, Mark::None];
        lines[at(15)].orders[0] = None;
        for number in n + 1..=n + 3 {
            let order = self.random(number);
            self.push([Some(order), None], [Mark::New, Mark::None]);
        }
        let order = self.random(n + 1);
        self.push([None, Some(order)], [Mark::None, Mark::New]);
    }

    fn records(&mut self) {
        let property = |name: &str, ancestor: &str, a: &str, b: &str, changed, result: &str| ConflictProperty {
            name: name.into(),
            ancestor: ancestor.into(),
            values: [a.into(), b.into()],
            changed,
            result: result.into(),
        };
        let record = |record, title: &str, kind: &str, guid| ConflictView {
            side: 1,
            record,
            title: title.into(),
            guid,
            kind: kind.into(),
            set: "set 998 from MASTER".into(),
            properties: vec![
                property("quantity", "446", "401", "460", [true, true], "460"),
                property("price", "512.00", "512.00", "446.00", [false, true], "446.00"),
                property(
                    "date",
                    "2026-11-02 09:15:00",
                    "2026-11-03 08:00:00",
                    "2026-11-02 09:15:00",
                    [true, false],
                    "2026-11-02 09:15:00",
                ),
                property("employee", "Chen, Wei", "Chen, Wei", "Chen, Wei", [false, false], "Chen, Wei"),
                property("customer", "Helios Media", "Helios Media", "Helios Media", [false, false], "Helios Media"),
                property("item", "Gasket kit", "Gasket kit", "Gasket kit", [false, false], "Gasket kit"),
            ],
            chosen: "CLIENT".into(),
            chosen_side: 1,
            why: "CLIENT wins because the change was made at CLIENT.".into(),
            decided_at: "2026-11-20 10:42:30".into(),
        };
        let guid = self.view.lines.first().map_or(Guid { node: NodeId(0), serial: 0 }, |l| l.guid);
        self.view.conflicts = vec![
            record(2, "Order 972", "changed on both sides", guid),
            record(1, "Order 988", "deleted / changed", guid),
        ];
    }

    fn roll(&mut self, below: u64) -> i64 {
        self.dice = self.dice.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.dice >> 33) % below) as i64
    }

    fn random(&mut self, number: i64) -> Order {
        Order {
            order_num: number,
            employee: self.roll(8) + 1,
            customer: self.roll(8) + 1,
            date_order: format!(
                "2026-{:02}-{:02} {:02}:{:02}:{:02}",
                9 + self.roll(3),
                1 + self.roll(28),
                8 + self.roll(11),
                self.roll(60),
                self.roll(60)
            ),
            item: self.roll(8) + 1,
            quantity: Decimal::whole(self.roll(1000)),
            price: Decimal::from_hundredths(100 + self.roll(999_000)),
        }
    }

    fn push(&mut self, orders: [Option<Order>; 2], marks: [Mark; 2]) -> Guid {
        self.serial += 1;
        let guid = Guid { node: NodeId(1), serial: self.serial };
        self.view.lines.push(Line::new(guid, orders, marks, [false; 6]));
        guid
    }

    fn next_number(&self, side: usize) -> i64 {
        self.view.lines.iter().filter_map(|l| l.orders[side].as_ref()).map(|o| o.order_num).max().unwrap_or(0) + 1
    }

    /// What follows from the lines: differing columns, counts, what is to send.
    fn settle(&mut self) {
        for line in &mut self.view.lines {
            line.differs = match &line.orders {
                [Some(a), Some(b)] => [
                    a.employee != b.employee,
                    a.customer != b.customer,
                    a.date_order != b.date_order,
                    a.item != b.item,
                    a.quantity != b.quantity,
                    a.price != b.price,
                ],
                _ => [false; 6],
            };
            line.changed = [line.differs; 2];
        }
        for side in 0..2 {
            self.view.sides[side].orders = self.view.lines.iter().filter(|l| l.orders[side].is_some()).count();
            let objects = self.view.lines.iter().filter(|l| l.marks[side] != Mark::None).count();
            self.view.lanes[side].objects = objects;
            self.view.lanes[side].transactions = objects;
        }
        self.view.equal = self.view.lanes.iter().all(|l| l.objects == 0);
    }

    fn counts(&self, side: usize) -> SetCounts {
        let n = |mark| self.view.lines.iter().filter(|l| l.marks[side] == mark).count();
        SetCounts {
            new: n(Mark::New),
            changed: n(Mark::Changed) + n(Mark::Conflict),
            deleted: n(Mark::Deleted),
            conflicts: n(Mark::Conflict),
        }
    }

    fn apply(&mut self, target: usize) -> Done {
        let source = 1 - target;
        let mut done = Done { text: format!("Applied set at {}", ["MASTER", "CLIENT"][target]), ..Done::default() };
        let mut number = self.next_number(target);
        for line in &mut self.view.lines {
            if line.marks[source] == Mark::None {
                continue;
            }
            let conflict = line.marks[source] == Mark::Conflict;
            match (conflict, line.orders[source].clone()) {
                (true, _) => line.orders[0] = line.orders[1].clone(),
                (false, Some(mut order)) => {
                    match &line.orders[target] {
                        Some(old) => order.order_num = old.order_num,
                        None => {
                            order.order_num = number;
                            number += 1;
                        }
                    }
                    line.orders[target] = Some(order);
                }
                (false, None) => line.orders[target] = None,
            }
            line.marks = [Mark::None; 2];
            done.changed.push((target, line.guid));
            if conflict {
                done.details.push("conflict: CLIENT won".into());
            }
        }
        self.view.lines.retain(|l| l.orders.iter().any(Option::is_some));
        done.text = format!("{}: {} orders", done.text, done.changed.len());
        done
    }

    fn act(&mut self, action: Action) -> Done {
        let mut done = Done::default();
        match action {
            Action::RandomOrders { side, count } => {
                for _ in 0..count {
                    let number = self.next_number(side);
                    let order = self.random(number);
                    done.changed.push((side, self.insert(side, order)));
                }
                done.text = format!("Inserted {count} random orders at {}", self.view.sides[side].name);
            }
            Action::NewOrder { side, order } => {
                let mut new = self.random(self.next_number(side));
                amend(&mut new, order);
                done.changed.push((side, self.insert(side, new)));
                done.text = "Inserted an order".into();
            }
            Action::EditOrder { side, number, changes } => {
                if let Some(line) = self.find(side, number) {
                    if let Some(order) = &mut line.orders[side] {
                        amend(order, changes);
                    }
                    if line.marks[side] == Mark::None {
                        line.marks[side] = Mark::Changed;
                    }
                    done.changed.push((side, line.guid));
                }
                done.text = format!("Changed order {number} at {}", self.view.sides[side].name);
            }
            Action::DeleteOrders { side, numbers } => {
                for number in numbers {
                    if let Some(line) = self.find(side, number) {
                        line.orders[side] = None;
                        line.marks[side] = Mark::Deleted;
                    }
                }
                self.view.lines.retain(|l| l.orders.iter().any(Option::is_some));
                done.text = "Deleted".into();
            }
            Action::Prepare { side, id, file, .. } => {
                let name = format!("syncFrom{}-{id}.syncset", self.view.sides[side].name);
                let file = file.unwrap_or_else(|| self.view.dir.join(name));
                let card = SetCard {
                    id,
                    file: file.clone(),
                    objects: self.view.lanes[side].objects,
                    counts: self.counts(side),
                };
                self.view.lanes[side].prepared.push(card);
                self.view.lanes[side].next_id = id + 1;
                self.view.sets.insert(
                    0,
                    SetView {
                        side,
                        sent: true,
                        id,
                        peer: self.view.sides[1 - side].name.clone(),
                        range: (1029, 1034),
                        objects: self.view.lanes[side].objects,
                        file,
                        at: "2026-11-20 10:40:00".into(),
                        summary: String::new(),
                    },
                );
                done.text = format!("Prepared set {id}");
            }
            Action::Apply { side, .. } => {
                self.view.lanes[1 - side].prepared.clear();
                done = self.apply(side);
            }
            Action::ApplyWhereAddressed { file, .. } => {
                let target = usize::from(file.to_string_lossy().contains("MASTER"));
                done = self.apply(target);
            }
            Action::SyncBoth { rule } => {
                assert!(matches!(rule, Rule::ClientWins | Rule::LatestWins));
                let first = self.apply(0);
                done = self.apply(1);
                done.changed.extend(first.changed);
                done.text = "Synchronized both ways".into();
            }
            Action::Verify => {
                done.text =
                    format!("{} orders differ", self.view.lines.iter().filter(|l| l.marks != [Mark::None; 2]).count());
                done.details = vec!["MASTER orders  blake3 9d1c…e07a".into(), "CLIENT orders  blake3 77aa…1b20".into()];
            }
            Action::SaveSetAs { .. } => done.text = "Saved".into(),
            Action::RestartDemo => done.text = "A new demo".into(),
            Action::Open { dir } => {
                self.view.dir = dir;
                done.text = "Opened".into();
            }
        }
        self.settle();
        done
    }

    fn insert(&mut self, side: usize, order: Order) -> Guid {
        let mut orders = [None, None];
        let mut marks = [Mark::None; 2];
        orders[side] = Some(order);
        marks[side] = Mark::New;
        self.view.sides[side].transaction += 1;
        self.push(orders, marks)
    }

    fn find(&mut self, side: usize, number: i64) -> Option<&mut Line> {
        self.view.lines.iter_mut().find(|l| l.orders[side].as_ref().is_some_and(|o| o.order_num == number))
    }
}

fn amend(order: &mut Order, d: OrderDraft) {
    order.employee = d.employee.unwrap_or(order.employee);
    order.customer = d.customer.unwrap_or(order.customer);
    order.item = d.item.unwrap_or(order.item);
    order.quantity = d.quantity.unwrap_or(order.quantity);
    order.price = d.price.unwrap_or(order.price);
    order.date_order = d.date_order.unwrap_or_else(|| order.date_order.clone());
}

impl Backend for MockBackend {
    fn view(&mut self) -> Result<View, Failure> {
        let mut board = self.board.lock().unwrap();
        if let Some(failure) = &board.unreadable {
            return Err(failure.clone());
        }
        if std::mem::take(&mut board.written_elsewhere) {
            drop(board);
            let order = self.random(self.next_number(0));
            self.insert(0, order);
            self.settle();
        }
        Ok(self.view.clone())
    }

    fn changed(&mut self) -> bool {
        self.board.lock().unwrap().written_elsewhere
    }

    fn run(&mut self, action: Action) -> Result<Done, Failure> {
        let (fail, panic, slow) = {
            let mut board = self.board.lock().unwrap();
            board.actions.push(action.clone());
            (board.fail_next.take(), std::mem::take(&mut board.panic_next), board.slow)
        };
        std::thread::sleep(slow);
        assert!(!panic, "asked to");
        match fail {
            Some(failure) => Err(failure),
            None => Ok(self.act(action)),
        }
    }
}
