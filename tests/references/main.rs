//! References: keys that are references themselves, keys of several columns, values that name nothing.

#[path = "../common/mod.rs"]
mod common;
mod keys;
mod random;
mod values;

use common::pair::Pair;

/// People, some of whom are pilots; a pilot's wings and logs. All keys but those of people and logs are references.
const PILOTS: &str = "
    CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE pilot (id INTEGER NOT NULL PRIMARY KEY REFERENCES person (id) ON UPDATE CASCADE, licence TEXT UNIQUE);
    CREATE TABLE wing (licence TEXT, id INTEGER PRIMARY KEY REFERENCES pilot (id) ON UPDATE CASCADE);
    CREATE TABLE log (id INTEGER PRIMARY KEY, pilot INT REFERENCES pilot (id) ON UPDATE CASCADE, text TEXT);
    CREATE TABLE rating (pilot INT REFERENCES pilot (id) ON UPDATE CASCADE, craft TEXT, hours INT, PRIMARY KEY (pilot, craft));
    CREATE TABLE exam (id INTEGER PRIMARY KEY, pilot INT, craft TEXT, mark INT,
        FOREIGN KEY (pilot, craft) REFERENCES rating (pilot, craft) ON UPDATE CASCADE);
";
const TABLES: [&str; 6] = ["person", "pilot", "wing", "log", "rating", "exam"];

fn pilots(rows: &str) -> Pair {
    Pair::new(&format!("{PILOTS}{rows}"), &TABLES)
}

/// Whose a node's rows are, by names and texts only.
const WHOSE: &str = "
    SELECT 'pilot ' || p.licence || ' is ' || coalesce(n.name, 'nobody') FROM pilot p LEFT JOIN person n USING (id)
    UNION ALL SELECT 'wing ' || w.licence || ' is of ' || coalesce(p.licence, 'nobody') FROM wing w LEFT JOIN pilot p USING (id)
    UNION ALL SELECT 'log ' || l.text || ' is of ' || coalesce(p.licence, 'nobody') FROM log l LEFT JOIN pilot p ON p.id = l.pilot
    UNION ALL SELECT 'rating ' || r.hours || ' is of ' || coalesce(p.licence, 'nobody') FROM rating r LEFT JOIN pilot p ON p.id = r.pilot
    UNION ALL SELECT 'exam ' || e.mark || ' is of ' || coalesce(r.hours, 'nothing')
        FROM exam e LEFT JOIN rating r ON r.pilot = e.pilot AND r.craft = e.craft
    ORDER BY 1";

fn whose(pair: &Pair, node: usize) -> Vec<String> {
    let conn = pair.nodes[node].connection();
    conn.prepare(WHOSE).unwrap().query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
}
