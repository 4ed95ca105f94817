//! Two sides in memory that behave as the engine does where the window can tell: numbers, marks, lanes, sets, records.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use objsync::app::view::*;
use objsync::demo::model::{Decimal, Order, OrderDraft};
use objsync::sync::{Guid, NodeId, Outcome, Progress, RecordState, Role, Rule};

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
    /// Further nodes of the environment.
    pub more_nodes: Vec<String>,
    /// How long every action takes.
    pub slow: std::time::Duration,
    /// No view can be read.
    pub unreadable: Option<Failure>,
    /// The next action panics.
    pub panic_next: bool,
    /// There is more than the design picture shows: what is open, combined, taken back, applied and waiting.
    pub more: bool,
    /// Another program has decided every open record.
    pub decided_elsewhere: bool,
    /// Classes with a rule of their own.
    pub class_rules: Vec<(String, Rule)>,
    /// What both sides changed will be combined.
    pub combines: bool,
    /// A preview has that many objects more.
    pub many_in_preview: usize,
    /// Another program has changed what the next undo would change back.
    pub moved_on: bool,
    /// The file of the next set that is prepared gets lost.
    pub next_set_lost: bool,
    /// There are that many conflict records more.
    pub many_conflicts: i64,
    /// Why no new demo can be made in the folder.
    pub why_no_restart: Option<String>,
}

/// The environment.
pub struct MockBackend {
    view: View,
    board: Arc<Mutex<Switchboard>>,
    serial: u64,
    dice: u64,
    progress: Progress,
    lines: Vec<Line>,
    /// What there was before each change that can be undone.
    saved: Vec<(View, Vec<Line>)>,
}

impl MockBackend {
    /// `orders` orders on both sides, and the differences of the design picture.
    pub fn new(orders: i64, board: Arc<Mutex<Switchboard>>) -> Self {
        let mut mock = MockBackend {
            view: View::default(),
            board,
            serial: 0,
            dice: 7,
            progress: Progress::default(),
            lines: vec![],
            saved: vec![],
        };
        mock.view.dir = std::env::temp_dir().join("demo");
        mock.view.restart.files = ["client.db", "master.db"].map(|name| mock.view.dir.join(name)).to_vec();
        for side in 0..2 {
            let name = ["MASTER", "CLIENT"][side];
            let list = |names: &[&str]| {
                names.iter().enumerate().map(|(i, n)| Choice { key: i as i64 + 1, name: (*n).into() }).collect()
            };
            mock.view.sides[side] = Side {
                name: name.into(),
                guid: ["7f3c20b1d5e8a91e", "c20b7f3ce1a944d7"][side].into(),
                role: [Role::Master, Role::Client][side],
                file: mock.view.dir.join(["master.db", "client.db"][side]),
                bytes: 412 * 1024,
                transaction: [1034, 1032][side],
                received: 1028,
                orders: 0,
                employees: list(&EMPLOYEES),
                customers: list(&CUSTOMERS),
                items: list(&ITEMS),
                requeued: vec![],
                journal: vec![],
                times: Times { sent: [1028, 1030][side], acknowledged: [1027, 1026][side], received: 1028 },
            };
            mock.view.lanes[side].next_id = 1000;
        }
        for number in 1..=orders {
            let order = mock.random(number);
            mock.push([Some(order.clone()), Some(order)], [Mark::None; 2]);
        }
        mock.differences(orders);
        mock.records();
        if mock.board.lock().unwrap().combines {
            for line in mock.lines.iter_mut().filter(|l| l.conflict()) {
                line.marks = [Mark::Combine; 2];
            }
        }
        mock.view.rules.classes = mock.board.lock().unwrap().class_rules.clone();
        if mock.board.lock().unwrap().more {
            mock.more();
        }
        let like = mock.view.conflicts[0].clone();
        let many = mock.board.lock().unwrap().many_conflicts;
        mock.view.conflicts.extend((0..many).map(|n| ConflictView {
            record: 100 + n,
            title: format!("Order {}", 5000 + n),
            ..like.clone()
        }));
        mock.settle();
        mock
    }

    fn differences(&mut self, n: i64) {
        let at = |back: i64| (n - 1 - back) as usize;
        let lines = &mut self.lines;
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
            from: (a != b).then_some(usize::from(result == b)),
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
            made: ["2026-11-20 10:41:07".into(), "2026-11-20 10:42:30".into()],
            chosen_side: Some(1),
            state: RecordState::Decided,
            rule: "client-wins".into(),
            again: vec![],
            unseen: false,
            moved_on: vec![],
            why: "CLIENT wins because the change was made at CLIENT.".into(),
            ruled: String::new(),
            decided_at: "2026-11-20 10:42:30".into(),
        };
        let guid = self.lines.first().map_or(Guid { node: NodeId(0), serial: 0 }, |l| l.guid);
        self.view.conflicts = vec![
            record(2, "Order 972", "changed on both sides", guid),
            record(1, "Order 988", "deleted / changed", guid),
        ];
    }

    /// Records in every state, sets that were applied, journals, and two objects that wait at CLIENT.
    fn more(&mut self) {
        let guids: Vec<Guid> = self.lines.iter().map(|l| l.guid).collect();
        let like = self.view.conflicts[0].clone();
        let with = |record, title: &str, state, guid| ConflictView {
            record,
            title: title.into(),
            state,
            guid,
            ..like.clone()
        };
        let mut open = with(3, "Order 3", RecordState::Open, guids[2]);
        open.why = "CLIENT's stays until somebody decides.".into();
        open.rule = "ask".into();
        let mut again = with(4, "Order 4", RecordState::Open, guids[3]);
        again.again = vec!["2026-11-23 10:02:11: took MASTER's".into()];
        again.moved_on = vec!["quantity is 77 now".into()];
        let combined = ConflictView {
            chosen_side: None,
            chosen: "both".into(),
            ..with(5, "Order 6", RecordState::Combined, guids[5])
        };
        let undone = with(6, "Order 7", RecordState::TakenBack, guids[6]);
        let mut deleted = with(7, "Order 8", RecordState::Decided, guids[7]);
        deleted.kind = "deleted at MASTER, changed at CLIENT".into();
        for property in &mut deleted.properties {
            property.values[0] = "deleted".into();
            property.changed = [true, property.changed[1]];
            property.from = Some(1);
        }
        // The engine lists open ones first; the window must not rely on it.
        self.view.conflicts.extend([combined, open, again, undone, deleted]);

        let waits = |id, guid, title: &str| Requeued {
            id,
            guid,
            cause: "a reference is unknown".into(),
            title: title.into(),
            set: "set 997 from MASTER".into(),
            reason: "Its customer “Nova Textiles” is unknown here. The set that brings it helps.".into(),
        };
        self.view.sides[1].requeued = vec![waits(11, guids[8], "Order 9"), waits(12, guids[9], "Order 10")];

        let applied = |seq, id, take_back: Result<(), &str>| SetView {
            side: 1,
            sent: false,
            id,
            peer: "MASTER".into(),
            range: (1020 + seq as u64, 1021 + seq as u64),
            objects: 4,
            file: self.view.dir.join(format!("syncFromMASTER-{id}.syncset")),
            at: "2026-11-20 10:42:30".into(),
            summary: "4 orders: 2 inserted, 1 updated, 1 conflict".into(),
            seq,
            take_back: Some(take_back.map_err(str::to_owned)),
            revert: Some(Ok(())),
            taken_back: false,
        };
        let undone = SetView { taken_back: true, take_back: None, revert: None, ..applied(1, 996, Ok(())) };
        let sets = [applied(3, 998, Ok(())), applied(2, 997, Err("Set 1001 was prepared from its changes.")), undone];
        self.view.sets.extend(sets);

        for side in 0..2 {
            let lines = guids.iter().take(12).enumerate().map(|(i, guid)| JournalLine {
                transaction: 1034 - i as u64,
                at: format!("2026-11-20 10:{:02}:30", 42 - i),
                title: format!("Order {}", i + 1),
                guid: *guid,
                mark: [Mark::Changed, Mark::New, Mark::Deleted][i % 3],
                changes: if i % 3 == 0 { "quantity 417 → 77, price 10 → 12.5".into() } else { String::new() },
                origin: if i % 2 == 0 { "made at MASTER".into() } else { "from CLIENT, set 1001".into() },
            });
            self.view.sides[side].journal = lines.collect();
        }
    }

    /// Every object that a side has to send, as applying would find it.
    fn preview(&self, file: PathBuf, rule: Option<Rule>) -> PreviewView {
        let source = usize::from(!file.to_string_lossy().contains("MASTER"));
        let used = rule.unwrap_or(self.view.rules.of("Order"));
        let objects: Vec<PreviewObject> = self
            .lines
            .iter()
            .filter_map(|line| {
                let (outcome, reason) = match line.marks[source] {
                    Mark::None => return None,
                    Mark::New => (Outcome::Inserted, "inserted under its own number".to_owned()),
                    Mark::Changed => (Outcome::Updated, "updated".into()),
                    Mark::Deleted => (Outcome::Deleted, "deleted".into()),
                    Mark::Combine => (Outcome::Combined, "combined".into()),
                    Mark::Conflict => (Outcome::Conflict, format!("conflict, decided by {}", used.label())),
                };
                let number = line.orders.iter().flatten().next()?.order_num;
                let record = ConflictView { why: reason.clone(), ..self.view.conflicts[0].clone() };
                let conflict = (outcome == Outcome::Conflict).then_some(record);
                let (transaction, change) = (1028 + number as u64 % 7, String::from("quantity 446 → 401"));
                let title = format!("Order {number}");
                Some(PreviewObject { title, guid: line.guid, transaction, change, outcome, reason, conflict })
            })
            .collect();
        let many = self.board.lock().unwrap().many_in_preview;
        let more = (0..many as u64).map(|serial| PreviewObject {
            title: format!("Order {}", 2000 + serial),
            guid: Guid { node: NodeId(2), serial },
            transaction: serial,
            change: "new".into(),
            outcome: Outcome::Inserted,
            reason: "inserted".into(),
            conflict: None,
        });
        let objects: Vec<PreviewObject> = objects.into_iter().chain(more).collect();
        PreviewView {
            side: 1 - source,
            source: self.view.sides[source].name.clone(),
            id: 1000,
            file,
            bytes: 4150,
            range: (1029, 1034),
            checks: vec!["The digest is right.".into(), "No gap: CLIENT has MASTER's transactions up to 1,028.".into()],
            rule,
            summary: format!("{} objects", objects.len()),
            objects,
            left_out: 0,
            warnings: vec!["The clock of MASTER is 3 minutes ahead.".into()],
        }
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
            )
            .into(),
            item: self.roll(8) + 1,
            quantity: Decimal::whole(self.roll(1000)),
            price: Decimal::from_hundredths(100 + self.roll(999_000)),
        }
    }

    fn push(&mut self, orders: [Option<Order>; 2], marks: [Mark; 2]) -> Guid {
        self.serial += 1;
        let guid = Guid { node: NodeId(1), serial: self.serial };
        self.lines.push(Line::new(guid, orders, marks, [false; 6]));
        guid
    }

    fn next_number(&self, side: usize) -> i64 {
        self.lines.iter().filter_map(|l| l.orders[side].as_ref()).map(|o| o.order_num).max().unwrap_or(0) + 1
    }

    /// What follows from the lines: differing columns, counts, what is to send.
    fn settle(&mut self) {
        for line in &mut self.lines {
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
            self.view.sides[side].orders = self.lines.iter().filter(|l| l.orders[side].is_some()).count();
            let objects = self.lines.iter().filter(|l| l.marks[side] != Mark::None).count();
            self.view.lanes[side].objects = objects;
            self.view.lanes[side].transactions = objects;
        }
        self.view.equal = self.view.lanes.iter().all(|l| l.objects == 0);
    }

    fn counts(&self, side: usize) -> SetCounts {
        let n = |mark| self.lines.iter().filter(|l| l.marks[side] == mark).count();
        SetCounts {
            new: n(Mark::New),
            changed: n(Mark::Changed) + n(Mark::Conflict) + n(Mark::Combine),
            deleted: n(Mark::Deleted),
            conflicts: n(Mark::Conflict),
            combined: n(Mark::Combine),
        }
    }

    fn apply(&mut self, target: usize) -> Done {
        let source = 1 - target;
        let mut done = Done { text: format!("Applied set at {}", ["MASTER", "CLIENT"][target]), ..Done::default() };
        let mut number = self.next_number(target);
        for line in &mut self.lines {
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
                done.details.push(String::from("conflict: CLIENT won").into());
                done.conflict = Some((1, 2));
            }
        }
        self.lines.retain(|l| l.orders.iter().any(Option::is_some));
        done.text = format!("{}: {} orders", done.text, done.changed.len());
        done
    }

    fn act(&mut self, action: Action) -> Done {
        let filing = match &action {
            Action::RandomOrders { side, .. } | Action::NewOrder { side, .. } | Action::DeleteOrders { side, .. } => {
                Some(*side)
            }
            Action::EditOrder { side, .. } | Action::Resolve { side, confirmed: true, .. } => Some(*side),
            _ => None,
        };
        let mut done = Done::default();
        if let Some(side) = filing {
            self.saved.push((self.view.clone(), self.lines.clone()));
            done.filed = Some((side, self.saved.len() as u64, self.saved.len() as u64));
        }
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
                self.lines.retain(|l| l.orders.iter().any(Option::is_some));
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
                    trouble: std::mem::take(&mut self.board.lock().unwrap().next_set_lost)
                        .then(|| "Its file is not there any more.".into()),
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
                        seq: id,
                        take_back: None,
                        revert: None,
                        taken_back: false,
                    },
                );
                done.text = format!("Prepared set {id}");
            }
            Action::PrepareAgain { side } => {
                self.view.lanes[side].prepared.clear();
                done.text = format!("Prepared again at {}", self.view.sides[side].name);
            }
            Action::Apply { side, .. } => {
                self.view.lanes[1 - side].prepared.clear();
                done = self.apply(side);
            }
            Action::ApplyWhereAddressed { file, .. } => {
                let target = usize::from(file.to_string_lossy().contains("MASTER"));
                done = self.apply(target);
            }
            Action::SyncBoth => {
                let first = self.apply(0);
                done = self.apply(1);
                done.changed.extend(first.changed);
                done.text = "Synchronized both ways".into();
            }
            Action::Verify => {
                done.text =
                    format!("{} orders differ", self.lines.iter().filter(|l| l.marks != [Mark::None; 2]).count());
                let digests = [("MASTER", "9d1cf00de07a0000aaaa"), ("CLIENT", "77aaf00d1b200000bbbb")];
                done.compared = Some(vec![Compared {
                    class: "Order".into(),
                    journaled: true,
                    digests: digests.map(|(node, digest)| (node.into(), digest.into())).into(),
                    differ: 1,
                    objects: vec![Detail {
                        text: "Order: 20 at MASTER, 20 at CLIENT".into(),
                        object: Some((0, self.lines[0].guid)),
                    }],
                }]);
            }
            Action::Preview { file, rule } => done.preview = Some(self.preview(file, rule)),
            Action::ShowNode { side, name } => {
                self.view.sides[side].name = name;
                done.text = "Shown".into();
            }
            Action::SetRule { class: None, rule } => {
                self.view.rules.default = rule.unwrap_or_default();
                done.text = "On conflict".into();
            }
            Action::SetRule { class: Some(class), rule } => {
                self.view.rules.classes.retain(|(name, _)| *name != class);
                self.view.rules.classes.extend(rule.map(|rule| (class, rule)));
                done.text = "On conflict".into();
            }
            Action::TakeBack { side, seq } => {
                if let Some(set) = self.view.sets.iter_mut().find(|s| (s.sent, s.side, s.seq) == (false, side, seq)) {
                    (set.taken_back, set.take_back, set.revert) = (true, None, None);
                    done.text = format!("Took set {} back", set.id);
                }
            }
            Action::Revert { side, seq, confirmed } => {
                done.text = "Reverted a set".into();
                done.ask = (!confirmed).then(|| Question {
                    title: "Revert set 998?".into(),
                    text: "3 orders are changed back, by a new transaction.".into(),
                    lines: (1..=40).map(|n| format!("Order {n}: changed back")).collect(),
                    yes: "Revert the set".into(),
                    action: Action::Revert { side, seq, confirmed: true },
                });
            }
            Action::Resolve { side, record, choice, confirmed } => {
                let conflicts = &mut self.view.conflicts;
                let found = conflicts.iter_mut().find(|c| (c.side, c.record) == (side, record)).unwrap();
                if !found.moved_on.is_empty() && !confirmed {
                    done.ask = Some(Question {
                        title: format!("{} has changed since", found.title),
                        text: "Filing this decision replaces what was made later.".into(),
                        lines: vec![],
                        yes: "File it all the same".into(),
                        action: Action::Resolve { side, record, choice, confirmed: true },
                    });
                } else {
                    found.state = RecordState::Decided;
                    found.moved_on.clear();
                    found.again.push("2026-11-23 11:00:00: decided".into());
                    let by_hand = "What was picked stands, decided by hand at CLIENT.".to_owned();
                    found.ruled = std::mem::replace(&mut found.why, by_hand);
                    found.chosen_side = match choice {
                        Choose::Side(chosen) => Some(chosen),
                        Choose::Properties(_) => None,
                    };
                    if let Choose::Side(chosen) = choice {
                        for property in &mut found.properties {
                            property.result = property.values[chosen].clone();
                            property.from = Some(chosen);
                        }
                    }
                    done.text = format!("Decided {}", found.title);
                    done.conflict = Some((side, record));
                }
            }
            Action::Retry { side } => done.text = format!("Nothing more fits at {}", self.view.sides[side].name),
            Action::Discard { side, ids, confirmed: false } => {
                done.ask = Some(Question {
                    title: "Discard Order 9?".into(),
                    text: "What is here stays, and MASTER is told so.".into(),
                    lines: vec![],
                    yes: "Discard it".into(),
                    action: Action::Discard { side, ids, confirmed: true },
                });
            }
            Action::Discard { side, ids, confirmed: true } => {
                self.view.sides[side].requeued.retain(|r| !ids.contains(&r.id));
                done.text = "Discarded".into();
            }
            Action::History { side, guid } => {
                let number = self.lines.iter().find(|l| l.guid == guid).and_then(|l| l.orders[side].as_ref());
                let state = |transaction, changes: &str, quantity: &str| HistoryState {
                    transaction,
                    at: "2026-11-20 10:42:30".into(),
                    author: "MASTER".into(),
                    through: "set 998 from MASTER".into(),
                    changes: changes.into(),
                    values: vec![("quantity".into(), quantity.into()), ("price".into(), "512.00".into())],
                };
                done.history = Some(HistoryView {
                    side,
                    title: format!("Order {}", number.map_or(0, |o| o.order_num)),
                    guid: Some(guid),
                    states: vec![state(1031, "quantity 446 → 401", "401"), state(0, "made", "446")],
                });
            }
            Action::SaveSetAs { .. } => done.text = "Saved".into(),
            Action::RestartDemo { .. } => done.text = "A new demo".into(),
            Action::Serve { rest } => {
                let address = format!("http://127.0.0.1:{}", rest.port);
                self.view.rest = RestView { address: rest.on.then_some(address), why_not: None };
                done.text = "Served".into();
            }
            Action::Open { dir } | Action::NewEnvironment { dir } => {
                self.view.dir = dir;
                done.text = "Opened".into();
            }
            Action::Undo { filed, again, confirmed } => {
                let moved_on = std::mem::take(&mut self.board.lock().unwrap().moved_on);
                if moved_on && !confirmed {
                    done.ask = Some(Question {
                        title: "Some of it has changed since".into(),
                        text: "What was changed since stays as it is.".into(),
                        lines: vec!["Order 20: quantity 5 was changed since, so it stays".into()],
                        yes: "Undo the rest".into(),
                        action: Action::Undo { filed, again, confirmed: true },
                    });
                } else {
                    let now = (self.view.clone(), self.lines.clone());
                    (self.view, self.lines) = self.saved[filed.first as usize - 1].clone();
                    self.saved.push(now);
                    let place = self.saved.len() as u64;
                    done.filed = Some((filed.side, place, place));
                    done.text = format!("{}: {}", if again { "Did again" } else { "Undid" }, filed.what);
                }
            }
            Action::StartTour { scenario, ready } => {
                let scenario = objsync::demo::scenario::SCENARIOS[scenario];
                let played = if ready { scenario.ready() } else { 0 };
                self.view.dir = std::env::temp_dir().join("tour");
                done.text = format!("The tour: {}", scenario.title);
                done.tour = Some((0..played).map(|n| vec![format!("played {n}")]).collect());
            }
            Action::PlayStep { step } => {
                done.text = format!("Played {step}");
                done.details = vec![Detail::from(format!("came of step {step}"))];
            }
            Action::TravelTo { side, number } => {
                let names = [&EMPLOYEES, &CUSTOMERS, &ITEMS].map(|names| names[0].to_owned());
                let rows = self.lines.iter().filter_map(|line| {
                    let order = line.orders[side].as_ref()?;
                    let [employee, customer, item] = names.clone();
                    let quantity = order.quantity.to_string();
                    let texts =
                        [employee, customer, order.date_order.to_string(), item, quantity, order.price.to_string()];
                    let since = std::array::from_fn(|i| i == 4 && line.marks[side] == Mark::Changed);
                    Some(MomentRow { guid: line.guid, number: order.order_num, texts, since, gone: false })
                });
                let mut rows: Vec<MomentRow> = rows.collect();
                rows.sort_by_key(|r| std::cmp::Reverse(r.number));
                // Before its last transaction a side had one order fewer.
                if number < self.view.sides[side].transaction {
                    rows.remove(0);
                }
                done.moment = Some(MomentView {
                    side,
                    number,
                    range: (1000, self.view.sides[side].transaction),
                    filed: self.view.sides[side].journal.iter().take(1).cloned().collect(),
                    rows,
                    more: false,
                });
            }
            Action::ObjectsOfSet { .. } => {
                done.text = "Set 998 from MASTER: 2 objects".into();
                done.select = self.lines[3..5].iter().map(|l| l.guid).collect();
            }
            Action::Write { what, .. } => done.text = format!("Saved {what}"),
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
        self.lines.iter_mut().find(|l| l.orders[side].as_ref().is_some_and(|o| o.order_num == number))
    }
}

fn amend(order: &mut Order, d: OrderDraft) {
    order.employee = d.employee.unwrap_or(order.employee);
    order.customer = d.customer.unwrap_or(order.customer);
    order.item = d.item.unwrap_or(order.item);
    order.quantity = d.quantity.unwrap_or(order.quantity);
    order.price = d.price.unwrap_or(order.price);
    order.date_order = d.date_order.map_or_else(|| order.date_order.clone(), Into::into);
}

impl Backend for MockBackend {
    fn view(&mut self) -> Result<View, Failure> {
        let (written, decided) = {
            let mut board = self.board.lock().unwrap();
            if let Some(failure) = &board.unreadable {
                return Err(failure.clone());
            }
            (std::mem::take(&mut board.written_elsewhere), std::mem::take(&mut board.decided_elsewhere))
        };
        if written {
            let order = self.random(self.next_number(0));
            let title = format!("Order {}", order.order_num);
            let guid = self.insert(0, order);
            let side = &mut self.view.sides[0];
            let line = JournalLine {
                transaction: side.transaction,
                at: "2026-11-23 12:00:00".into(),
                title,
                guid,
                mark: Mark::New,
                changes: String::new(),
                origin: "made at MASTER".into(),
            };
            side.journal.insert(0, line);
            self.settle();
        }
        if decided {
            for record in self.view.conflicts.iter_mut().filter(|c| c.state == RecordState::Open) {
                record.again.push("2026-11-23 12:00:00: decided by another program".into());
            }
        }
        let mut view = self.view.clone();
        view.lines = self.lines.iter().cloned().collect();
        view.nodes = view.sides.iter().map(|s| s.name.clone()).collect();
        view.nodes.extend(self.board.lock().unwrap().more_nodes.iter().cloned());
        view.restart.why_not = self.board.lock().unwrap().why_no_restart.clone();
        Ok(view)
    }

    fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn changed(&mut self) -> bool {
        let board = self.board.lock().unwrap();
        board.written_elsewhere || board.decided_elsewhere
    }

    fn run(&mut self, action: Action) -> Result<Done, Failure> {
        let (fail, panic, slow) = {
            let mut board = self.board.lock().unwrap();
            board.actions.push(action.clone());
            (board.fail_next.take(), std::mem::take(&mut board.panic_next), board.slow)
        };
        let start = std::time::Instant::now();
        while start.elapsed() < slow {
            if self.progress.is_cancelled() {
                return Err(Failure { message: "cancelled; nothing was changed".into(), hint: String::new() });
            }
            std::thread::sleep(std::time::Duration::from_millis(2).min(slow));
        }
        assert!(!panic, "asked to");
        if let Action::Write { to, overwrite: false, .. } | Action::SaveSetAs { to, overwrite: false, .. } = &action
            && to.exists()
        {
            return Err(Failure { message: "the file exists already".into(), hint: String::new() });
        }
        match fail {
            Some(failure) => Err(failure),
            None => Ok(self.act(action)),
        }
    }
}
