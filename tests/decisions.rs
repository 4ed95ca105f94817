//! What people decide and undo, one situation after the other: rules and their defaults, an application's own rule, records
//! decided again, what waits and why, sets taken back and reverted, and what can be seen of all that.

mod common;

use std::path::{Path, PathBuf};

use common::{TestClock, assert_same, dump};
use objsync::sync::*;
use rusqlite::Connection;
use serde_json::json;

const SCHEMA: &str = "
CREATE TABLE people (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT);
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, person INTEGER REFERENCES people (id), low INTEGER NOT NULL DEFAULT 1, high INTEGER DEFAULT 9,
    CONSTRAINT \"low lies below high\" CHECK (low < high)
);
INSERT INTO people VALUES (1, 'a', 'Ada'), (2, 'b', 'Bob');
INSERT INTO tasks VALUES (1, 1, 1, 9), (2, 1, 1, 9), (3, 2, 1, 9);
";

struct Pair {
    dir: tempfile::TempDir,
    clock: TestClock,
    nodes: [Node; 2],
    sets: i64,
}

const MASTER: usize = 0;
const CLIENT: usize = 1;

impl Pair {
    /// MASTER and CLIENT; every edit is a second later than the one before.
    fn new() -> Pair {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.db");
        Connection::open(&file).unwrap().execute_batch(SCHEMA).unwrap();
        let classes = [("Person", "people"), ("Task", "tasks")].map(|(name, table)| ClassSpec {
            name: name.into(),
            table: table.into(),
            journaled: true,
        });
        let info = NodeInfo { guid: NodeId(1), name: "MASTER".into(), role: Role::Master };
        let clock = TestClock::new();
        clock.set(4_000_000_000_000_000);
        let mut master = Node::create(&file, info, &classes).unwrap().with_clock(clock.clock());
        let client = master.fresh_copy(&dir.path().join("client.db"), "CLIENT", Role::Client).unwrap();
        Pair { dir, clock, nodes: [master, client], sets: 999 }
    }

    fn write(&mut self, at: usize, sql: &str) {
        self.clock.0.fetch_add(1_000_000, std::sync::atomic::Ordering::SeqCst);
        self.nodes[at].edit(|edit| Ok(edit.connection().execute_batch(sql)?)).unwrap();
    }

    fn prepare(&mut self, from: usize) -> PathBuf {
        self.sets += 1;
        let target = self.nodes[1 - from].identity().unwrap();
        self.nodes[from].meet(&target).unwrap();
        let file = self.dir.path().join(format!("{}.syncset", self.sets));
        let options = PrepareOptions {
            id: self.sets,
            file,
            since: Since::Acknowledged,
            upto: None,
            overwrite: false,
            compress: false,
            update_sync_time: true,
        };
        self.nodes[from].prepare(target.info.guid, &options).unwrap().file
    }

    fn apply(&mut self, at: usize, file: &Path, rule: Option<Rule>) -> Report {
        let report = self.nodes[at].apply(file, ApplyOptions { rule, ..ApplyOptions::default() }).unwrap();
        let [name, source] = [at, 1 - at].map(|at| self.nodes[at].info().name.as_str());
        let id = report.file.file_stem().unwrap().to_string_lossy();
        assert_eq!((&*report.node, &*report.source, &*report.file), (name, source, file));
        assert_eq!(report.id.to_string(), id);
        report
    }

    /// One direction.
    fn send(&mut self, from: usize, rule: Option<Rule>) -> Report {
        let file = self.prepare(from);
        self.apply(1 - from, &file, rule)
    }

    fn level(&mut self) {
        for _ in 0..2 {
            self.send(CLIENT, None);
            self.send(MASTER, None);
        }
        for class in ["Person", "Task"] {
            let [a, b] = &mut self.nodes;
            assert_eq!(a.contents(class).unwrap().digest(), b.contents(class).unwrap().digest(), "{class}");
        }
        for from in [MASTER, CLIENT] {
            let peer = self.nodes[1 - from].info().guid;
            let start = self.nodes[from].start_for(peer, Since::Acknowledged).unwrap();
            assert_eq!(self.nodes[from].to_send(peer, start).unwrap().objects, 0, "then nothing is left to send");
        }
    }

    fn value<T: rusqlite::types::FromSql>(&self, at: usize, sql: &str) -> T {
        self.nodes[at].connection().query_row(sql, [], |r| r.get(0)).unwrap()
    }

    fn task(&self, at: usize, id: i64) -> (i64, i64) {
        let sql = "SELECT low, high FROM tasks WHERE id = ?1";
        self.nodes[at].connection().query_row(sql, [id], |r| Ok((r.get(0)?, r.get(1)?))).unwrap()
    }

    /// Both change task 1: MASTER first, CLIENT later.
    fn conflict(&mut self) {
        self.write(MASTER, "UPDATE tasks SET low = 2, high = 8 WHERE id = 1");
        self.write(CLIENT, "UPDATE tasks SET low = 3, high = 7 WHERE id = 1");
    }

    fn record(&self, at: usize) -> ConflictRecord {
        let records = self.nodes[at].conflicts(usize::MAX).unwrap();
        records.into_iter().max_by_key(|r| r.id).expect("a record")
    }
}

// -- rules ----------------------------------------------------------------------------------------------------------------

#[test]
fn the_rule_of_an_apply_beats_that_of_a_class_and_that_beats_the_one_for_all() {
    let mut pair = Pair::new();
    assert_eq!(pair.nodes[MASTER].rules().unwrap(), Rules::default());
    pair.nodes[MASTER].set_rule(None, Some(Rule::MasterWins)).unwrap();
    pair.nodes[MASTER].set_rule(Some("task"), Some(Rule::Ask)).unwrap();
    // They are the node's, kept in its file.
    pair.nodes[MASTER] = Node::open(pair.nodes[MASTER].path()).unwrap().with_clock(pair.clock.clock());
    let rules = pair.nodes[MASTER].rules().unwrap();
    assert_eq!((rules.of("Task"), rules.of("Person")), (Rule::Ask, Rule::MasterWins));

    pair.conflict();
    pair.write(MASTER, "UPDATE people SET name = 'M' WHERE id = 2");
    pair.write(CLIENT, "UPDATE people SET name = 'C' WHERE id = 2");
    let file = pair.prepare(CLIENT);
    let by_rule = |pair: &mut Pair, rule| {
        let options = ApplyOptions { rule, ..ApplyOptions::default() };
        let mut records = pair.nodes[MASTER].preview(&file, options).unwrap().records;
        records.sort_by_key(|r| r.class.clone());
        records.into_iter().map(|r| (r.class, r.rule, r.chosen, r.state)).collect::<Vec<_>>()
    };
    let of = |class: &str, rule: &str, chosen, state| (class.to_owned(), rule.to_owned(), chosen, state);
    assert_eq!(
        by_rule(&mut pair, None),
        [
            of("Person", "master-wins", Chosen::Ours, RecordState::Decided),
            of("Task", "ask", Chosen::Ours, RecordState::Open)
        ]
    );
    assert_eq!(
        by_rule(&mut pair, Some(Rule::ClientWins)),
        [
            of("Person", "client-wins", Chosen::Theirs, RecordState::Decided),
            of("Task", "client-wins", Chosen::Theirs, RecordState::Decided)
        ]
    );
    pair.nodes[MASTER].set_rule(Some("Task"), None).unwrap();
    assert_eq!(pair.nodes[MASTER].rules().unwrap().of("Task"), Rule::MasterWins);
    pair.nodes[MASTER].set_rule(None, None).unwrap();
    assert_eq!(pair.nodes[MASTER].rules().unwrap(), Rules::default());
    assert_eq!(pair.nodes[MASTER].set_rule(Some("Nothing"), Some(Rule::Ask)).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn every_rule_says_why_it_chose_as_it_did() {
    let mut pair = Pair::new();
    pair.conflict();
    let file = pair.prepare(CLIENT);
    for (rule, chosen, result, why) in [
        (Rule::ClientWins, Chosen::Theirs, (3, 7), "made at CLIENT, which wins over MASTER"),
        (Rule::MasterWins, Chosen::Ours, (2, 8), "made at MASTER, which wins over CLIENT"),
        (Rule::LatestWins, Chosen::Theirs, (3, 7), "made later, at CLIENT"),
        (
            Rule::MergeProperties,
            Chosen::Merged,
            (3, 7),
            "low 3 and high 7 from CLIENT, the later where both changed it",
        ),
        (Rule::KeepOurs, Chosen::Ours, (2, 8), "the rule keeps what is here"),
        (Rule::AcceptTheirs, Chosen::Theirs, (3, 7), "the rule takes what comes"),
        (Rule::Ask, Chosen::Ours, (2, 8), "somebody is to decide"),
    ] {
        let options = ApplyOptions { rule: Some(rule), ..ApplyOptions::default() };
        let preview = pair.nodes[MASTER].preview(&file, options).unwrap();
        let record = &preview.records[0];
        assert_eq!((record.chosen, record.rule.as_str()), (chosen, rule.name()));
        assert_eq!((&record.result["low"], &record.result["high"]), (&json!(result.0), &json!(result.1)), "{rule:?}");
        assert!(record.why.starts_with(why), "{rule:?}: {}", record.why);
        assert!(preview.report.objects[0].reason.contains(why), "{rule:?}: {}", preview.report.objects[0].reason);
        let open = if rule == Rule::Ask { RecordState::Open } else { RecordState::Decided };
        assert_eq!(record.state, open);
    }
}

#[test]
fn a_combination_is_recorded_and_says_whose_what_was() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET high = 7 WHERE id = 1");
    let report = pair.send(CLIENT, Some(Rule::MergeProperties));
    assert_eq!((report.combined, report.conflicts, pair.task(MASTER, 1)), (1, 0, (2, 7)));
    let reason = &report.objects[0].reason;
    assert!(reason.contains("nobody wrote") && reason.contains("low 2 from MASTER, high 7 from CLIENT"), "{reason}");
    let record = pair.record(MASTER);
    assert_eq!((record.state, record.chosen), (RecordState::Combined, Chosen::Merged));
    assert_eq!(pair.nodes[MASTER].conflict_count().unwrap(), 0, "no conflict");
    assert_eq!(
        record.taken.iter().map(|t| (t.property.as_str(), t.from, t.both)).collect::<Vec<_>>(),
        [("low", Chosen::Ours, false), ("high", Chosen::Theirs, false)]
    );
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (2, 7));
    // What both wrote is the later's.
    pair.write(MASTER, "UPDATE tasks SET low = 3 WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET low = 4, high = 8 WHERE id = 1");
    pair.send(CLIENT, Some(Rule::MergeProperties));
    let why = pair.record(MASTER).why;
    let later = "high 8 from CLIENT; low 4 from CLIENT, the later where both changed it (made at CLIENT, ";
    assert!(why.starts_with(later), "{why}");
    let times: Vec<&str> = why[later.len()..].trim_end_matches(')').split(" against ").collect();
    assert!(times.len() == 2 && times[0] > times[1], "the later first: {why}");
}

#[test]
fn a_combination_that_the_table_refuses_gives_way_to_the_later_whole_at_both_ends() {
    let mut pair = Pair::new();
    // low 6 and high 5 do not go together.
    pair.write(MASTER, "UPDATE tasks SET low = 6 WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET high = 5 WHERE id = 1");
    let sets = [pair.prepare(MASTER), pair.prepare(CLIENT)];
    for (from, file) in sets.iter().enumerate() {
        let report = pair.apply(1 - from, file, Some(Rule::MergeProperties));
        assert_eq!((report.conflicts, report.requeued), (1, 0), "{:?}", report.objects);
        assert_eq!(pair.task(1 - from, 1), (1, 5), "CLIENT's is the later");
        let record = pair.record(1 - from);
        assert!(
            record.why.starts_with("the table refuses the combination, so the later whole: made later"),
            "{}",
            record.why
        );
        assert_eq!(record.rule, "merge-properties");
    }
    pair.level();
    assert_eq!(
        pair.nodes.iter().map(|n| n.conflict_count().unwrap()).sum::<usize>(),
        2,
        "crossed, and settled for good"
    );
}

#[test]
fn a_combination_that_refers_to_what_waits_waits_with_it_and_is_one_in_the_end() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.write(CLIENT, "UPDATE tasks SET person = 8 WHERE id = 1");
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    // No table refuses it, so it does not give way to MASTER's whole, which is the later.
    let report = pair.send(CLIENT, Some(Rule::MergeProperties));
    assert_eq!((report.requeued, report.conflicts, report.combined), (2, 0, 0), "{:?}", report.objects);
    let person = "SELECT p.code FROM tasks t JOIN people p ON p.id = t.person WHERE t.id = 1";
    assert_eq!((pair.value::<String>(MASTER, person), pair.task(MASTER, 1)), ("a".to_owned(), (2, 9)));
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    let report = pair.send(CLIENT, Some(Rule::MergeProperties));
    assert_eq!((report.inserted, report.combined, report.requeued), (1, 1, 0), "{:?}", report.objects);
    assert_eq!((pair.value::<String>(MASTER, person), pair.task(MASTER, 1)), ("x".to_owned(), (2, 9)));
    pair.level();
}

#[test]
fn what_loses_need_not_fit() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.write(CLIENT, "UPDATE tasks SET person = 8 WHERE id = 1");
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    let report = pair.send(CLIENT, Some(Rule::MasterWins));
    assert_eq!(
        (report.requeued, report.conflicts),
        (1, 1),
        "the person waits, the task does not: {:?}",
        report.objects
    );
    assert_eq!(pair.task(MASTER, 1), (2, 9));
}

#[test]
fn who_refers_by_the_number_of_a_deleted_object_may_mean_its_successor() {
    let mut pair = Pair::new();
    pair.write(
        MASTER,
        "UPDATE tasks SET person = NULL WHERE id = 3; DELETE FROM people WHERE id = 2;
         INSERT INTO people VALUES (2, 'm', 'Mine'); UPDATE tasks SET person = 2 WHERE id = 3",
    );
    pair.write(CLIENT, "UPDATE tasks SET person = 1 WHERE id = 3; DELETE FROM people WHERE id = 2");
    let report = pair.send(CLIENT, Some(Rule::MasterWins));
    assert_eq!(report.requeued, 0, "both have deleted Bob: {:?}", report.objects);
    let name = "SELECT p.name FROM tasks t JOIN people p ON p.id = t.person WHERE t.id = 3";
    assert_eq!(pair.value::<String>(MASTER, name), "Mine");
    pair.level();
    assert_eq!(pair.value::<String>(CLIENT, name), "Mine");
}

#[test]
fn a_deletion_against_a_change_is_never_merged() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "DELETE FROM tasks WHERE id = 1");
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    let report = pair.send(CLIENT, Some(Rule::MergeProperties));
    let record = pair.record(MASTER);
    assert_eq!((report.conflicts, record.kind, record.chosen), (1, ConflictKind::ChangedDeleted, Chosen::Ours));
    assert_eq!(record.kind.words(), "changed here, deleted there");
    pair.write(CLIENT, "UPDATE tasks SET low = 5 WHERE id = 2");
    pair.write(MASTER, "DELETE FROM tasks WHERE id = 2");
    pair.send(CLIENT, Some(Rule::MergeProperties));
    let record = pair.record(MASTER);
    assert_eq!(
        (record.kind, record.chosen, &record.result),
        (ConflictKind::DeletedChanged, Chosen::Ours, &json!(null))
    );
    pair.level();
    assert_eq!(pair.value::<i64>(CLIENT, "SELECT count(*) FROM tasks WHERE id = 2"), 0);
}

/// Asks a closure.
struct Own<F>(F);

impl<F: Fn(&Conflict<'_>) -> Option<Verdict>> OwnRule for Own<F> {
    fn name(&self) -> &str {
        "house rule"
    }
    fn verdict(&self, conflict: &Conflict<'_>) -> Option<Verdict> {
        (self.0)(conflict)
    }
}

#[test]
fn an_applications_own_rule_is_asked_first_and_may_pass() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.write(MASTER, "UPDATE people SET name = 'M' WHERE id = 2");
    pair.write(CLIENT, "UPDATE people SET name = 'C' WHERE id = 2");
    let file = pair.prepare(CLIENT);
    let mut preview = |own: &dyn OwnRule| {
        let options = ApplyOptions { rule: Some(Rule::MasterWins), own_rule: Some(own), ..ApplyOptions::default() };
        pair.nodes[MASTER].preview(&file, options)
    };
    // The widest range, for tasks only.
    let widest = Own(|c: &Conflict<'_>| {
        let (Value::Integer(a), Value::Integer(b)) = (c.ours("low")?, c.theirs("low")?) else { return None };
        let mut values = c.ours.content.clone()?;
        values[1] = Value::Integer(*a.min(b));
        values[2] = c.ours("high")?.clone();
        Some(Verdict { pick: Pick::Values(values), why: "the widest range".into() })
    });
    let found = preview(&widest).unwrap();
    let [person, task] = ["Person", "Task"].map(|c| found.records.iter().find(|r| r.class == c).unwrap().clone());
    assert_eq!((person.rule.as_str(), person.chosen), ("master-wins", Chosen::Ours), "no opinion: the other rule");
    assert_eq!(
        (task.rule.as_str(), task.chosen, task.why.as_str()),
        ("house rule", Chosen::Merged, "the widest range")
    );
    assert_eq!((&task.result["low"], &task.result["high"]), (&json!(2), &json!(8)));
    // What the table refuses gives way to the later whole.
    let impossible = Own(|c: &Conflict<'_>| {
        let mut values = c.ours.content.clone().filter(|v| v.len() == 3 && c.class.name == "Task")?;
        values[1] = Value::Integer(100);
        Some(Verdict { pick: Pick::Values(values), why: "too much".into() })
    });
    let found = preview(&impossible).unwrap();
    let task = found.records.iter().find(|r| r.class == "Task").unwrap();
    assert_eq!((task.chosen, &task.result["low"]), (Chosen::Theirs, &json!(3)));
    assert!(task.why.contains("table refuses"), "{}", task.why);
    // A rule that gives too few values is told so, and nothing is changed.
    let broken = Own(|_: &Conflict<'_>| Some(Verdict { pick: Pick::Values(vec![]), why: String::new() }));
    let error = preview(&broken).unwrap_err();
    assert!(error.message().contains("house rule") && error.message().contains("nothing was changed"), "{error}");
    let asking = Own(|_: &Conflict<'_>| Some(Verdict { pick: Pick::Ask, why: "ask me".into() }));
    assert!(preview(&asking).unwrap().records.iter().all(|r| r.state == RecordState::Open));
    // It is not asked where only one side changed.
    pair.level();
    pair.write(CLIENT, "UPDATE tasks SET low = 4 WHERE id = 2");
    let file = pair.prepare(CLIENT);
    let never = Own(|c: &Conflict<'_>| panic!("asked about {}", c.guid));
    let options = ApplyOptions { own_rule: Some(&never), ..ApplyOptions::default() };
    assert_eq!(pair.nodes[MASTER].apply(&file, options).unwrap().updated, 1);
}

// -- records ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_record_holds_both_states_what_they_come_from_and_the_rest_of_the_transaction() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1; UPDATE tasks SET low = 4 WHERE id = 2");
    pair.send(CLIENT, None);
    let record = pair.record(MASTER);
    let guid =
        |id| pair.nodes[MASTER].guid_of(pair.nodes[MASTER].class("Task").unwrap(), id).unwrap().unwrap().to_string();
    assert_eq!((record.guid.clone(), record.siblings.clone()), (guid(1), vec![guid(2)]));
    assert_eq!((record.kind, record.properties.as_slice()), (ConflictKind::ChangedChanged, &["low".to_owned()][..]));
    assert_eq!(record.ancestors.iter().map(|a| a["low"].clone()).collect::<Vec<_>>(), [json!(1)]);
    assert_eq!((&record.ours.content["low"], record.ours.author.as_str()), (&json!(2), "MASTER"));
    assert_eq!((&record.theirs.content["low"], record.theirs.author.as_str()), (&json!(3), "CLIENT"));
    assert!(record.ours.time < record.theirs.time && record.theirs.time <= record.at);
    assert_eq!((record.source.as_str(), record.set), ("CLIENT", 1000));
}

#[test]
fn deciding_again_changes_only_what_differs_and_asks_where_the_object_moved_on() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    let id = pair.record(MASTER).id;
    assert_eq!((pair.nodes[MASTER].open_conflicts().unwrap(), pair.task(MASTER, 1)), (1, (2, 8)));
    let resolve =
        |pair: &mut Pair, choice: &Choice, confirmed| pair.nodes[MASTER].resolve(id, choice, confirmed).unwrap();

    // To leave ours as it is, is a decision too: nothing is filed, and the record is not open any more.
    let number = pair.nodes[MASTER].number().unwrap();
    let Resolution::Filed { record, changes } = resolve(&mut pair, &Choice::Ours, false) else { panic!("asked") };
    assert_eq!((record.state, record.again.len(), changes.as_str()), (RecordState::Decided, 1, ""));
    assert_eq!((pair.nodes[MASTER].number().unwrap(), pair.nodes[MASTER].open_conflicts().unwrap()), (number, 0));
    assert_eq!((record.chosen, record.rule.as_str()), (Chosen::Ours, "ask"), "what was chosen first is kept");
    assert_eq!(record.again[0].number, None, "no commit filed it");

    // The other side's.
    let Resolution::Filed { record, changes } = resolve(&mut pair, &Choice::Theirs, false) else { panic!("asked") };
    assert_eq!((changes.as_str(), pair.task(MASTER, 1)), ("low 2 → 3, high 8 → 7", (3, 7)));
    assert_eq!(record.again[1].number, Some(number + 1), "the commit that filed it");
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "");
    // To say it once more is no new decision.
    let Resolution::Filed { record: same, .. } = resolve(&mut pair, &Choice::Theirs, false) else { panic!("asked") };
    assert_eq!((same.again.len(), pair.nodes[MASTER].number().unwrap()), (2, number + 1));

    // Somebody changes one property. The decision for ours would change both: it is shown, and asked.
    pair.write(MASTER, "UPDATE tasks SET high = 6 WHERE id = 1");
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "high 7 → 6");
    let Resolution::MovedOn { moved_on, changes } = resolve(&mut pair, &Choice::Ours, false) else { panic!("filed") };
    assert_eq!((moved_on.as_str(), changes.as_str()), ("high 7 → 6", "low 3 → 2, high 6 → 8"));
    assert_eq!(pair.task(MASTER, 1), (3, 6), "nothing was done");
    // What does not differ from the record is left alone: the 6 stays.
    let low = Choice::Set(vec![("low".into(), Value::Integer(5))]);
    let Resolution::Filed { record, .. } = resolve(&mut pair, &low, true) else { panic!("asked again") };
    assert_eq!((pair.task(MASTER, 1), record.standing().0), ((5, 6), Chosen::Merged));
    assert_eq!((&record.standing().1["low"], &record.standing().1["high"]), (&json!(5), &json!(6)));
    assert_eq!(pair.nodes[MASTER].moved_on(&record).unwrap(), "");

    // Values that the table refuses, properties that there are not, references to nobody.
    let before = dump(&pair.nodes[MASTER]);
    for (property, text, expected) in [
        ("low", "9", "low lies below high"),
        ("depth", "1", "has no property `depth`"),
        ("person", "77", "no Person 77"),
    ] {
        let value = pair.nodes[MASTER].typed("Task", property, text);
        let error = value.and_then(|v| pair.nodes[MASTER].resolve(id, &Choice::Set(vec![(property.into(), v)]), true));
        let error = error.unwrap_err();
        assert!(error.message().contains(expected) && error.message().contains("nothing was changed"), "{error}");
    }
    let error = pair.nodes[MASTER].resolve(id, &Choice::Set(vec![("low".into(), Value::Null)]), true).unwrap_err();
    let said = format!("record {id} was not decided so: tasks.low must have a value; nothing was changed");
    assert_eq!(
        (error.message(), error.what_next()),
        (&*said, "choose other values, or change what stands in the way first")
    );
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused decisions");
    assert_eq!(pair.nodes[MASTER].typed("Task", "person", "null").unwrap(), Value::Null, "to nobody");
    let person = pair.nodes[MASTER].typed("Task", "person", "2").unwrap();
    pair.nodes[MASTER].resolve(id, &Choice::Set(vec![("person".into(), person)]), false).unwrap();
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 1"), 2);
    assert_eq!(pair.nodes[MASTER].resolve(99, &Choice::Ours, false).unwrap_err().kind(), ErrorKind::Usage);

    // Every decision is kept, also by the file, and travels.
    let reopened = Node::open(pair.nodes[MASTER].path()).unwrap();
    assert_eq!(reopened.conflict(id).unwrap().again.len(), 4);
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (5, 6));
}

#[test]
fn a_record_of_a_class_that_is_switched_off_is_decided_when_it_is_on_again() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    let id = pair.record(MASTER).id;
    let switch = |pair: &mut Pair, on| pair.nodes.iter_mut().for_each(|n| drop(n.journal_class("Task", on).unwrap()));
    switch(&mut pair, false);
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].resolve(id, &Choice::Theirs, false).unwrap_err();
    assert!(error.message().contains("Task is not synchronized") && error.what_next().contains("journal"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "a decision that was refused");
    switch(&mut pair, true);
    pair.nodes[MASTER].resolve(id, &Choice::Theirs, false).unwrap();
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (3, 7));
}

#[test]
fn a_deletion_that_won_can_be_undone_by_deciding_again_and_the_other_way_round() {
    let mut pair = Pair::new();
    pair.write(MASTER, "DELETE FROM tasks WHERE id = 1");
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1");
    pair.send(CLIENT, Some(Rule::KeepOurs));
    let record = pair.record(MASTER);
    assert_eq!((record.kind, &record.result), (ConflictKind::DeletedChanged, &json!(null)));
    let set = Choice::Set(vec![("low".into(), Value::Integer(4))]);
    let error = pair.nodes[MASTER].resolve(record.id, &set, false).unwrap_err();
    assert!(error.message().contains("deleted, so it has no properties"), "{error}");
    let guid: Guid = record.guid.parse().unwrap();
    for (choice, count) in [(Choice::Theirs, 1), (Choice::Ours, 0), (Choice::Theirs, 1)] {
        let done = pair.nodes[MASTER].resolve(record.id, &choice, false).unwrap();
        assert!(matches!(done, Resolution::Filed { .. }), "{done:?}");
        assert_eq!(pair.value::<i64>(MASTER, "SELECT count(*) FROM tasks WHERE id = 1"), count);
    }
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    assert_eq!(pair.nodes[MASTER].guid_of(&class, 1).unwrap(), Some(guid), "the same object");
    // Somebody brings it back against a decision: to confirm that one again changes nothing, for it says nothing new.
    pair.nodes[MASTER].resolve(record.id, &Choice::Ours, false).unwrap();
    let values = [Value::Null, Value::Integer(3), Value::Integer(9)];
    pair.nodes[MASTER].edit(|edit| edit.insert_as("Task", guid, &values)).unwrap();
    pair.nodes[MASTER].resolve(record.id, &Choice::Ours, true).unwrap();
    assert_eq!(pair.nodes[MASTER].guid_of(&class, 1).unwrap(), Some(guid), "it is left as it is");
    pair.level();
    assert_eq!(pair.task(CLIENT, 1), (3, 9));
}

#[test]
fn open_records_stand_first() {
    let mut pair = Pair::new();
    pair.conflict();
    pair.send(CLIENT, Some(Rule::Ask));
    pair.level();
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 2");
    pair.write(CLIENT, "UPDATE tasks SET low = 6 WHERE id = 2");
    pair.send(CLIENT, Some(Rule::ClientWins));
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    assert_eq!(
        records.iter().map(|r| (r.id, r.state)).collect::<Vec<_>>(),
        [(1, RecordState::Open), (2, RecordState::Decided)]
    );
    assert_eq!(pair.nodes[MASTER].conflicts(1).unwrap()[0].id, 1);
    assert_eq!((pair.nodes[MASTER].conflict_count().unwrap(), pair.nodes[MASTER].open_conflicts().unwrap()), (2, 1));
}

// -- what waits ------------------------------------------------------------------------------------------------------------

#[test]
fn trying_again_what_waits_makes_sets_final_only_where_it_did_something() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.send(CLIENT, None);
    let tried = pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap();
    assert_eq!((&*tried.node, tried.requeued, tried.total()), ("MASTER", 1, 1));
    assert!(!tried.objects[0].reason.contains("transaction waits"), "it is alone: {}", tried.objects[0].reason);
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok(), "all is as it was");
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap().inserted, 1);
    let why = pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().unwrap_err();
    assert_eq!(why, "what waits was tried again since");
}

#[test]
fn a_set_that_comes_again_is_listed_only_where_it_did_something() {
    let mut pair = Pair::new();
    let listed = |pair: &Pair| pair.nodes[MASTER].set_records(100).unwrap().iter().filter(|set| !set.sent).count();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    let file = pair.prepare(CLIENT);
    for _ in 0..2 {
        assert_eq!(pair.apply(MASTER, &file, None).inserted, 0);
        assert_eq!(listed(&pair), 1);
    }
    // What waited goes through when it comes once more: that can be taken back.
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.apply(MASTER, &file, None).inserted, 1);
    assert_eq!((listed(&pair), pair.apply(MASTER, &file, None).inserted, listed(&pair)), (2, 0, 2));
    // One that carries nothing says that nothing is lacking.
    pair.level();
    let before = listed(&pair);
    assert_eq!(pair.send(CLIENT, None).total(), 0);
    assert_eq!(listed(&pair), before + 1);
}

#[test]
fn what_waits_names_its_constraint_and_the_rows() {
    let mut pair = Pair::new();
    // At CLIENT: a code that MASTER has given to another person, and an order of one transaction that needs it.
    pair.write(MASTER, "INSERT INTO people (id, code, name) VALUES (7, 'x', 'Mia')");
    pair.write(
        CLIENT,
        "INSERT INTO people (id, code, name) VALUES (8, 'x', 'Cleo'); INSERT INTO tasks (id, person) VALUES (9, 8)",
    );
    let report = pair.send(CLIENT, None);
    assert_eq!((report.requeued, report.inserted), (2, 0), "a transaction is never half applied: {:?}", report.objects);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    let of = |class: &str| waiting.iter().find(|w| w.class == class).unwrap();
    assert_eq!((of("Person").cause, of("Task").cause), (Cause::Unique, Cause::Together));
    assert_eq!((&*of("Person").name(), &*of("Task").name()), ("8", "9"));
    let line = report.objects.iter().find(|o| o.class == "Person").unwrap();
    assert!(line.reason.ends_with("; the whole transaction waits"), "{}", line.reason);
    let reason = &of("Person").reason;
    for part in ["code x", "Person 7 at MASTER", "people.code", "goes through once"] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert!(of("Task").reason.contains("Person 8 of the same transaction"), "{:?}", of("Task"));
    let ids: Vec<i64> = waiting.iter().map(|w| w.id).collect();
    assert_eq!(pair.nodes[MASTER].retry(ApplyOptions::default()).unwrap().requeued, 2);
    assert_eq!(pair.nodes[MASTER].requeue().unwrap().iter().map(|w| w.id).collect::<Vec<_>>(), ids, "numbers stay");
    // The way out that was named; what waits is tried again at the end of every apply.
    pair.write(MASTER, "UPDATE people SET code = 'y' WHERE id = 7");
    assert_eq!(pair.send(CLIENT, None).inserted, 2);
    pair.level();
}

#[test]
fn checks_and_missing_values_are_named() {
    let mut pair = Pair::new();
    // Another program has given MASTER's table other rules than CLIENT's.
    let conn = pair.nodes[MASTER].connection();
    conn.execute_batch("CREATE TRIGGER none BEFORE UPDATE ON tasks WHEN 0 BEGIN SELECT 1; END").unwrap();
    let conn = pair.nodes[CLIENT].connection();
    conn.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id = 1");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting[0].cause, Cause::Check);
    assert!(waiting[0].reason.contains("low lies below high") && waiting[0].reason.contains("corrected at its source"));
    // A newer state of it drops what waits.
    pair.write(CLIENT, "UPDATE tasks SET low = 4 WHERE id = 1");
    assert_eq!(pair.send(CLIENT, None).updated, 1);
    assert!(pair.nodes[MASTER].requeue().unwrap().is_empty(), "superseded");
    pair.level();
}

#[test]
fn a_permanent_pair_names_its_way_out_at_both_ends_and_discarding_ends_it() {
    // A person is deleted there, a task for the same person is made here.
    for discard_at in [MASTER, CLIENT] {
        let mut pair = Pair::new();
        pair.write(MASTER, "UPDATE tasks SET person = 1");
        pair.level();
        pair.write(MASTER, "DELETE FROM people WHERE id = 2");
        pair.write(CLIENT, "INSERT INTO tasks (id, person) VALUES (9, 2)");
        pair.send(CLIENT, None);
        pair.send(MASTER, None);
        let [at_master, at_client] = [MASTER, CLIENT].map(|at| pair.nodes[at].requeue().unwrap().remove(0));
        assert_eq!((at_master.cause, at_client.cause), (Cause::UnknownReference, Cause::StillReferredTo));
        assert!(at_master.reason.contains("its person is unknown at MASTER"), "{}", at_master.reason);
        for part in ["Task 9 here refers to it", "tasks.person", "change or delete", "bring it back"] {
            assert!(at_client.reason.contains(part), "{part} in {}", at_client.reason);
        }
        let foretold = pair.nodes[discard_at].preview_discard(None).unwrap();
        let done = pair.nodes[discard_at].discard(None).unwrap();
        assert_eq!((foretold, done.discarded), (done.clone(), 1));
        let record = pair.record(discard_at);
        assert_eq!((record.kind, record.chosen), (ConflictKind::Discarded, Chosen::Ours));
        assert!(record.why.contains("gave up"), "{}", record.why);
        // It travels: the other side follows, and nothing waits anywhere.
        pair.level();
        for node in &pair.nodes {
            assert!(node.requeue().unwrap().is_empty(), "{:?}", node.requeue().unwrap());
        }
        let left =
            (pair.value(CLIENT, "SELECT count(*) FROM people"), pair.value(CLIENT, "SELECT count(*) FROM tasks"));
        // Discarding the task leaves the deletion; discarding the deletion leaves both.
        assert_eq!(left, if discard_at == MASTER { (1, 3) } else { (2, 4) });
        assert_eq!(pair.nodes[discard_at].discard(None).unwrap().discarded, 0, "nothing is left to give up");
    }
}

#[test]
fn discarding_one_leaves_the_others_waiting() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO tasks (id, person) VALUES (4, 1)");
    pair.level();
    pair.nodes[CLIENT].connection().execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id IN (1, 4)");
    pair.write(CLIENT, "UPDATE tasks SET low = 21 WHERE id IN (2, 3)");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting.len(), 4);
    // Two of one transaction go together.
    let second = waiting.iter().find(|w| w.source_number == Some(2)).unwrap().id;
    assert_eq!(pair.nodes[MASTER].discard(Some(&[second])).unwrap().discarded, 2);
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    assert!(records.len() == 2 && records[0].siblings == [records[1].guid.clone()], "{records:?}");
    let left = pair.nodes[MASTER].requeue().unwrap();
    let of_first = [(waiting[0].id, Some(1)), (waiting[1].id, Some(4))];
    assert_eq!(left.iter().map(|w| (w.id, w.source_number)).collect::<Vec<_>>(), of_first);
    let error = pair.nodes[MASTER].discard(Some(&[second])).unwrap_err();
    assert!(error.message().contains("nothing waits under number"), "{error}");
    assert_eq!(pair.nodes[MASTER].requeue().unwrap(), left);
    pair.send(MASTER, None);
    assert_eq!((pair.task(CLIENT, 2), pair.task(CLIENT, 1)), ((1, 9), (20, 9)), "the decision has travelled");
}

#[test]
fn what_is_discarded_is_recorded_with_what_both_come_from_and_the_rest_of_its_transaction() {
    let mut pair = Pair::new();
    pair.nodes[CLIENT].connection().execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    pair.write(CLIENT, "UPDATE tasks SET low = 20 WHERE id = 1; UPDATE tasks SET low = 21 WHERE id = 2");
    pair.write(MASTER, "UPDATE tasks SET high = 8 WHERE id = 1");
    pair.send(CLIENT, Some(Rule::ClientWins));
    let report = pair.nodes[MASTER].discard(None).unwrap();
    assert_eq!((&*report.node, report.discarded), ("MASTER", 2));
    assert!(report.objects.iter().all(|o| !o.row_changed), "{:?}", report.objects);
    let guid = |id| pair.nodes[MASTER].guid_of(pair.nodes[MASTER].class("Task").unwrap(), id).unwrap().unwrap();
    let records = pair.nodes[MASTER].conflicts(10).unwrap();
    for (id, other, high) in [(1, 2, 8), (2, 1, 9)] {
        let record = records.iter().find(|r| r.guid == guid(id).to_string()).unwrap();
        assert_eq!(record.siblings, [guid(other).to_string()]);
        let both = |state: &serde_json::Value| (state["low"].clone(), state["high"].clone());
        assert_eq!(record.ancestors.iter().map(both).collect::<Vec<_>>(), [(json!(1), json!(9))], "{id}");
        assert_eq!(both(&record.ours.content), (json!(1), json!(high)), "{id}");
    }
}

// -- taking back and reverting ------------------------------------------------------------------------------------------------

/// The last set applied at MASTER.
fn last_set(pair: &Pair) -> SetRecord {
    pair.nodes[MASTER].set_records(usize::MAX).unwrap().into_iter().find(|s| !s.sent).unwrap()
}

fn why_not(pair: &mut Pair) -> String {
    let set = last_set(pair);
    let why = pair.nodes[MASTER].can_take_back(&set).unwrap().unwrap_err();
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].take_back(set.seq).unwrap_err();
    assert!(error.message().contains(&why) && error.message().contains("nothing was changed"), "{error}");
    assert!(error.what_next().contains("revert"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "a refusal");
    why
}

#[test]
fn a_set_is_taken_back_only_while_nothing_stands_on_it() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO people VALUES (5, 'e', 'Eva'); UPDATE tasks SET low = 2 WHERE id = 1");
    pair.send(CLIENT, None);
    // Something else is no hindrance; a change of what it brought, or a reference to it, is.
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 3");
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok());
    pair.write(MASTER, "UPDATE tasks SET person = 5 WHERE id = 3");
    let error = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Task 3 refers to Person 5, which this set brought"), "{error}");
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 3"), 5, "nothing was changed");
    pair.write(MASTER, "UPDATE tasks SET person = 1 WHERE id = 3");
    pair.write(MASTER, "UPDATE people SET name = 'Eve' WHERE id = 5");
    assert_eq!(why_not(&mut pair), "Person 5 was changed since");

    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 2");
    let first = last_set(&pair);
    let second = pair.prepare(CLIENT);
    pair.apply(MASTER, &second, None);
    let why = pair.nodes[MASTER].can_take_back(&first).unwrap().unwrap_err();
    assert_eq!(why, "set 1001 from CLIENT was applied since; take that one back first");
    // Back, and forth again; then something is prepared.
    pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    assert!(last_set(&pair).taken_back && pair.task(MASTER, 2) == (1, 9));
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("taken back already"), "{error}");
    assert_eq!(pair.apply(MASTER, &second, None).updated, 1);
    pair.prepare(MASTER);
    assert_eq!(why_not(&mut pair), "set 1002 was prepared here for CLIENT since");
    // A copy knows of it, too.
    pair.write(CLIENT, "UPDATE tasks SET low = 4 WHERE id = 2");
    pair.send(CLIENT, None);
    let copy = pair.dir.path().join("copy.db");
    pair.nodes[MASTER].fresh_copy(&copy, "THIRD", Role::Client).unwrap();
    assert_eq!(why_not(&mut pair), "THIRD was made as a copy of this database since");
}

#[test]
fn a_purge_makes_sets_final_only_where_it_forgets_something() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.level();
    pair.write(CLIENT, "UPDATE tasks SET low = 3 WHERE id = 1");
    pair.send(CLIENT, None);
    assert_eq!(pair.nodes[MASTER].purge(0).unwrap().events, 0);
    assert!(pair.nodes[MASTER].can_take_back(&last_set(&pair)).unwrap().is_ok(), "nothing was forgotten");
    let purged = pair.nodes[MASTER].purge(u64::MAX).unwrap();
    assert!(purged.events > 0 && purged.tombstones == 0, "{purged:?}");
    assert_eq!(why_not(&mut pair), "the journal was purged since");
}

#[test]
fn taking_back_says_what_becomes_of_each_object() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 5 WHERE id = 3");
    // Tasks refer to Ada, who stays; two codes change places; what MASTER says of task 3 wins, so its row is the same.
    pair.write(
        CLIENT,
        "UPDATE people SET code = NULL WHERE id = 1; UPDATE people SET code = 'a' WHERE id = 2;
         UPDATE people SET code = 'b', name = 'Anna' WHERE id = 1; DELETE FROM tasks WHERE id = 2; UPDATE tasks SET low = 2 WHERE id = 3;
         INSERT INTO people VALUES (5, 'e', 'Eva')",
    );
    pair.send(CLIENT, Some(Rule::MasterWins));
    let report = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    for (class, number, outcome, row_changed, reason) in [
        ("Person", 1, Outcome::Updated, true, "restored: code b → a, name Anna → Ada"),
        ("Person", 2, Outcome::Updated, true, "restored: code a → b"),
        ("Person", 5, Outcome::Deleted, true, "deleted again: this set had brought it"),
        ("Task", 2, Outcome::Inserted, true, "brought back"),
        ("Task", 3, Outcome::Skipped, false, "its row is the same; its version is as before"),
    ] {
        let line = report.objects.iter().find(|o| o.class == class && o.number == Some(number));
        let line = line.unwrap_or_else(|| panic!("{class} {number}: {:?}", report.objects));
        assert_eq!((line.outcome, line.row_changed, &*line.reason), (outcome, row_changed, reason), "{class} {number}");
    }
    // What would not fit any more is not put back.
    pair.write(CLIENT, "UPDATE people SET code = 'z' WHERE id = 1");
    pair.send(CLIENT, Some(Rule::MasterWins));
    pair.write(MASTER, "INSERT INTO people VALUES (6, 'b', 'Amy')");
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Person 2 as it was does not fit any more"), "{error}");
    assert!(error.message().contains("nothing was changed") && error.what_next().contains("revert"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused");
}

#[test]
fn taking_back_brings_back_what_waited_and_marks_the_records() {
    let mut pair = Pair::new();
    pair.write(MASTER, "INSERT INTO people (id, code) VALUES (7, 'x')");
    pair.write(CLIENT, "INSERT INTO people (id, code) VALUES (8, 'x')");
    pair.send(CLIENT, None);
    let waiting = pair.nodes[MASTER].requeue().unwrap();
    assert_eq!(waiting.len(), 1);
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("it changed nothing here"), "{error}");
    // A newer state of what waits, and a conflict.
    pair.conflict();
    pair.write(CLIENT, "UPDATE people SET code = 'z' WHERE id = 8");
    pair.send(CLIENT, None);
    assert!(pair.nodes[MASTER].requeue().unwrap().is_empty());
    let record = pair.record(MASTER);
    let set = last_set(&pair);
    let report = pair.nodes[MASTER].take_back(set.seq).unwrap();
    assert_eq!((report.deleted, report.updated), (1, 1), "{:?}", report.objects);
    assert_eq!((report.id, &*report.node, &*report.source, &report.file), (set.id, "MASTER", "CLIENT", &set.file));
    assert_eq!((pair.nodes[MASTER].requeue().unwrap(), pair.task(MASTER, 1)), (waiting, (2, 8)));
    let marked = pair.nodes[MASTER].conflict(record.id).unwrap();
    assert_eq!((marked.state, pair.nodes[MASTER].conflict_count().unwrap()), (RecordState::TakenBack, 0));
    let error = pair.nodes[MASTER].resolve(record.id, &Choice::Ours, false).unwrap_err();
    assert!(error.message().contains("taken back"), "{error}");
    // A numbers is not given again, and what was taken back comes again by itself.
    let number = pair.nodes[MASTER].number().unwrap();
    pair.write(MASTER, "UPDATE tasks SET low = 4 WHERE id = 3");
    assert_eq!(pair.nodes[MASTER].number().unwrap(), number + 1);
    pair.level();
    assert_eq!(pair.value::<i64>(MASTER, "SELECT count(*) FROM people WHERE code = 'z'"), 1);
}

#[test]
fn what_comes_back_under_another_number_is_still_named_by_old_states() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET low = 2 WHERE id = 3");
    pair.level();
    pair.write(CLIENT, "UPDATE tasks SET person = NULL WHERE id = 3; DELETE FROM people WHERE id = 2");
    pair.send(CLIENT, None);
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'c', 'Cid')");
    pair.nodes[MASTER].take_back(last_set(&pair).seq).unwrap();
    let names = "SELECT group_concat(id || name, ' ') FROM (SELECT * FROM people ORDER BY id)";
    assert_eq!(pair.value::<String>(MASTER, names), "1Ada 2Cid 3Bob");
    assert_eq!(pair.value::<i64>(MASTER, "SELECT person FROM tasks WHERE id = 3"), 3);
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    let guid = pair.nodes[MASTER].guid_of(&class, 3).unwrap().unwrap();
    let bob = Value::Reference(Guid { node: NodeId(1), serial: 2 });
    for entry in pair.nodes[MASTER].history("Task", guid).unwrap() {
        assert_eq!(entry.filed.state.content.unwrap()[0], bob, "in every state");
    }
}

#[test]
fn a_revert_restores_what_the_set_changed_but_never_what_came_later() {
    let mut pair = Pair::new();
    pair.write(
        CLIENT,
        "INSERT INTO people VALUES (5, 'e', 'Eva'), (6, 'f', 'Flo'); UPDATE tasks SET low = 2, high = 8 WHERE id = 1;
         UPDATE people SET code = NULL WHERE id = 1; UPDATE people SET code = 'a' WHERE id = 2;
         UPDATE people SET code = 'b' WHERE id = 1; DELETE FROM tasks WHERE id = 2",
    );
    pair.send(CLIENT, None);
    let set = last_set(&pair);
    pair.write(MASTER, "UPDATE tasks SET high = 7 WHERE id = 1; UPDATE people SET name = 'Florence' WHERE id = 6");
    let planned = pair.nodes[MASTER].preview_revert(set.seq).unwrap();
    let done = pair.nodes[MASTER].revert(set.seq).unwrap();
    assert_eq!((&planned.objects, &planned.kept), (&done.objects, &done.kept));
    assert_eq!(done.number, Some(pair.nodes[MASTER].number().unwrap()), "one transaction");
    // Swapped unique values are swapped back, the deleted task is there again, Eva is gone; what came later stays.
    assert_eq!((pair.task(MASTER, 1), pair.task(MASTER, 2)), ((1, 7), (1, 9)));
    let people: String =
        pair.value(MASTER, "SELECT group_concat(code || name, ' ') FROM (SELECT * FROM people ORDER BY id)");
    assert_eq!(people, "aAda bBob fFlorence");
    assert_eq!(done.kept.len(), 2, "{:?}", done.kept);
    assert!(done.kept.iter().any(|k| k.contains("Task 1: high 7 was changed since")), "{:?}", done.kept);
    assert!(done.kept.iter().any(|k| k.contains("Person 6: it was changed since")), "{:?}", done.kept);
    // Once is enough, and it is remembered.
    let set = pair.nodes[MASTER].set_record(set.seq).unwrap();
    assert_eq!(set.reverted, done.number);
    let error = pair.nodes[MASTER].revert(set.seq).unwrap_err();
    assert!(error.message().contains("reverted already, by transaction"), "{error}");
    let guid = done.objects.iter().find(|o| o.class == "Task" && o.number == Some(1)).unwrap().guid;
    let history = pair.nodes[MASTER].history("Task", guid).unwrap();
    assert_eq!(history[0].through.words(), "made here, reverting set 1000 from CLIENT");
    pair.send(MASTER, None);
    let sent = pair.nodes[MASTER].set_records(10).unwrap().into_iter().find(|set| set.sent).unwrap();
    let error = pair.nodes[MASTER].revert(sent.seq).unwrap_err();
    assert!(error.message().contains("it was prepared here, not applied"), "{error}");
    pair.level();
    assert_eq!(pair.task(CLIENT, 2), (1, 9), "it travels");
}

#[test]
fn a_revert_that_would_leave_a_reference_without_its_object_is_refused() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "INSERT INTO people VALUES (5, 'e', 'Eva')");
    pair.send(CLIENT, None);
    pair.write(MASTER, "UPDATE tasks SET person = 5 WHERE id = 3");
    let before = dump(&pair.nodes[MASTER]);
    let error = pair.nodes[MASTER].revert(last_set(&pair).seq).unwrap_err();
    assert!(error.message().contains("Task 3 refers to Person 5"), "{error}");
    assert_same(&dump(&pair.nodes[MASTER]), &before, "refused");
}

// -- looking inside ----------------------------------------------------------------------------------------------------------

#[test]
fn the_history_of_an_object_says_what_who_when_and_through_which_set() {
    let mut pair = Pair::new();
    pair.write(CLIENT, "UPDATE tasks SET low = 2 WHERE id = 1");
    pair.send(CLIENT, None); // set 1000
    pair.conflict();
    pair.send(CLIENT, None); // set 1001
    pair.write(MASTER, "DELETE FROM tasks WHERE id = 1");
    let guid: Guid = pair.record(MASTER).guid.parse().unwrap();
    let told: Vec<(String, String, String)> = pair.nodes[MASTER]
        .history("Task", guid)
        .unwrap()
        .iter()
        .map(|e| (e.changes.clone(), pair.nodes[MASTER].name_of(e.filed.state.stamp.author), e.through.words()))
        .collect();
    let line = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        told,
        [
            line("deleted", "MASTER", "made here"),
            line("low 2 → 3, high 8 → 7", "CLIENT", "decided here (record 1), applying set 1001 from CLIENT"),
            line("high 9 → 8", "MASTER", "made here"),
            line("low 1 → 2", "CLIENT", "set 1000 from CLIENT"),
            line("made", "MASTER", "made here"),
        ]
    );
    // The journal tells the same, event by event, and finds the deleted one by its number.
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    assert_eq!(pair.nodes[MASTER].guid_by_number(&class, 1).unwrap(), Some(guid));
    let query = JournalQuery { object: Some(guid), ..JournalQuery::default() };
    let events = pair.nodes[MASTER].journal(&query).unwrap();
    assert_eq!(
        events.iter().map(|e| e.kind).collect::<Vec<_>>(),
        [EventKind::Delete, EventKind::Update, EventKind::Update, EventKind::Update, EventKind::Insert]
    );
    for pair in events.windows(2) {
        assert_eq!(pair[0].before, pair[1].after, "one leads to the next");
    }
    let middle = JournalQuery { after: events[3].number - 1, upto: events[2].number, limit: 10, object: None };
    let some = pair.nodes[MASTER].journal(&middle).unwrap();
    assert_eq!(some, events[2..4], "from the middle of the journal");
}

#[test]
fn an_old_state_names_what_it_referred_to_then_whatever_has_the_number_now() {
    let mut pair = Pair::new();
    pair.write(MASTER, "UPDATE tasks SET person = NULL WHERE id = 3");
    pair.write(MASTER, "DELETE FROM people WHERE id = 2");
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'c', 'Cid')");
    let before = pair.nodes[MASTER].guid_by_number(pair.nodes[MASTER].class("Person").unwrap(), 2).unwrap();
    pair.write(MASTER, "UPDATE people SET id = 20 WHERE id = 2"); // a new number
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'd', 'Dan')");
    pair.write(MASTER, "UPDATE tasks SET person = 2 WHERE id = 3");
    let class = pair.nodes[MASTER].class("Task").unwrap().clone();
    let guid = pair.nodes[MASTER].guid_of(&class, 3).unwrap().unwrap();
    let people: Vec<Option<Value>> = pair.nodes[MASTER]
        .history("Task", guid)
        .unwrap()
        .into_iter()
        .map(|e| e.filed.state.content.map(|values| values[0].clone()))
        .collect();
    let person = |serial| Some(Value::Reference(Guid { node: NodeId(1), serial }));
    // Bob is the second object that was made, Cid the sixth, Dan the seventh.
    assert_eq!(before, Some(Guid { node: NodeId(1), serial: 6 }));
    assert_eq!(people, [person(7), Some(Value::Null), person(2)]);

    // A deletion comes in one transaction with the row that referred to it, and the number is given again afterwards.
    pair.level();
    pair.write(
        CLIENT,
        "UPDATE tasks SET person = NULL WHERE id = 3; DELETE FROM people WHERE code = 'd';
         UPDATE tasks SET low = 2 WHERE id = 3",
    );
    pair.send(CLIENT, None);
    pair.write(MASTER, "INSERT INTO people VALUES (2, 'e', 'Eli')");
    let referred = |pair: &mut Pair, state: usize| {
        pair.nodes[MASTER].history("Task", guid).unwrap()[state].filed.state.content.as_ref().unwrap()[0].clone()
    };
    let dan = Value::Reference(Guid { node: NodeId(1), serial: 7 });
    assert_eq!(referred(&mut pair, 1), dan);
    // The same by an edit of the engine's own: a revert brings Dan back, and another one takes him away again.
    let set = last_set(&pair);
    pair.nodes[MASTER].revert(set.seq).unwrap();
    assert_eq!(referred(&mut pair, 0), dan);
    let key: i64 = pair.value(MASTER, "SELECT id FROM people WHERE code = 'd'");
    let dan_guid = Guid { node: NodeId(1), serial: 7 };
    let wanted = |class: &str, guid, content| Wanted { class: class.into(), guid, content };
    pair.nodes[MASTER]
        .edit(|edit| {
            let task = vec![Value::Null, Value::Integer(2), Value::Integer(9)];
            edit.file(&[wanted("Person", dan_guid, None), wanted("Task", guid, Some(task))])
        })
        .unwrap();
    pair.write(MASTER, &format!("INSERT INTO people VALUES ({key}, 'g', 'Gus')"));
    assert_eq!(referred(&mut pair, 1), dan);
}
