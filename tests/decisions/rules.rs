//! Whose rule counts, and what each rule and an application's own one choose.

use objsync::sync::*;
use serde_json::json;

use crate::pair::{CLIENT, MASTER, Pair};

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

/// Each side's steps, then an exchange both ways; task 1 at both, and whether the record says that both changed the same.
fn merged(at_master: &[&str], at_client: &[&str], first: usize) -> ((i64, i64), Vec<String>) {
    let mut pair = Pair::new();
    for (at, steps) in [(MASTER, at_master), (CLIENT, at_client)] {
        steps.iter().for_each(|set| pair.write(at, &format!("UPDATE tasks SET {set} WHERE id = 1")));
    }
    for from in [first, 1 - first, first] {
        pair.send(from, Some(Rule::MergeProperties));
    }
    assert_eq!(pair.task(MASTER, 1), pair.task(CLIENT, 1));
    pair.level();
    let record = pair.nodes[1 - first].conflicts(usize::MAX).unwrap().pop().expect("a record");
    assert!(
        record.ancestors.iter().all(|a| !a.is_null()) && !record.ancestors.is_empty(),
        "what both come from is known"
    );
    let both = record.taken.iter().filter(|p| p.both).map(|p| p.property.clone()).collect();
    (pair.task(MASTER, 1), both)
}

#[test]
fn what_one_side_wrote_and_wrote_back_does_not_overrule_what_only_the_other_wrote() {
    for first in [MASTER, CLIENT] {
        // MASTER is later or earlier than CLIENT with what it wrote back; CLIENT alone has written `high`.
        for back in [&["low = 3", "low = 1"][..], &["low = 3", "low = 4", "low = 1"]] {
            assert_eq!(merged(back, &["high = 7"], first), ((1, 7), vec![]), "{first} {back:?}");
            assert_eq!(merged(&["high = 7"], back, first), ((1, 7), vec![]), "{first} {back:?}");
        }
        // One column written back, another one changed for good.
        assert_eq!(merged(&["low = 3", "low = 1"], &["low = 2, high = 8"], first).1, ["low"], "{first}");
    }
}

#[test]
fn a_property_that_both_wrote_is_the_laters_also_where_that_is_the_old_value() {
    for first in [MASTER, CLIENT] {
        // CLIENT is later: its old value stands against MASTER's new one, and MASTER's other property stays.
        assert_eq!(merged(&["low = 2", "high = 8"], &["low = 3", "low = 1"], first), ((1, 8), vec!["low".to_owned()]));
        assert_eq!(merged(&["low = 3", "low = 1"], &["low = 2"], first), ((2, 9), vec!["low".to_owned()]));
    }
}

/// What both sides say of a property may have been written by one of them, in answer to a value that the other has never seen.
#[test]
fn a_value_that_was_written_back_is_written_also_where_the_other_has_it_from_before() {
    let dir = crate::common::folder();
    let file = dir.path().join("a.db");
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); INSERT INTO t VALUES (1, 'a0', 'b0')";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let info = |name: &str, role| NodeInfo { guid: NodeId::random(), name: name.to_owned(), role };
    let (mut hub, _) = Node::track(&file, info("HUB", Role::Master), &[], &Progress::default()).unwrap();
    for name in ["N1", "N2"] {
        hub.fresh_copy_as(&dir.path().join(format!("{name}.db")), info(name, Role::Client)).unwrap();
    }
    drop(hub);
    let mut env = Environment::open(dir.path()).unwrap();
    let [hub, n1, n2] = [0, 1, 2];
    let rule = Some(Rule::MergeProperties);
    let write = |env: &Environment, at: usize, set: &str| {
        env.nodes[at].connection().execute_batch(&format!("UPDATE t SET {set}")).unwrap();
    };
    write(&env, n2, "b = 'b1'");
    env.exchange(n2, n1, rule).unwrap();
    write(&env, n1, "b = 'b0'");
    write(&env, hub, "a = 'a of HUB'");
    env.exchange(n1, hub, rule).unwrap();
    write(&env, n2, "a = 'a of N2'");
    env.exchange(n2, hub, rule).unwrap();
    let b: String = env.nodes[hub].connection().query_row("SELECT b FROM t", [], |r| r.get(0)).unwrap();
    assert_eq!(b, "b0", "N1 wrote it, and N2 has not seen that");
    let record = &env.nodes[hub].conflicts(1).unwrap()[0];
    let taken = record.taken.iter().find(|t| t.property == "b").unwrap();
    assert_eq!((taken.from, taken.both), (Chosen::Ours, false), "{record:?}");
}
