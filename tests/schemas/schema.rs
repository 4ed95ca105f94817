//! What random schemas and the statements of their programs are made of.

use rand::RngExt;
use rand::rngs::StdRng;

/// How the rows of a table are told apart.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    Number,
    AutoNumber,
    /// The number is that of a row of another table.
    Shared(usize),
    Text,
    TextWithoutRowid,
    Composite,
}

pub struct Table {
    pub name: String,
    key: Key,
    /// `CREATE TABLE`.
    text: String,
    /// Columns that statements give values to, and what kind of value.
    columns: Vec<(String, Values)>,
}

#[derive(Clone, Copy)]
enum Values {
    Few,
    Text,
    /// A number of a row there, or of none.
    Number,
}

/// Tables, and what is on them.
pub struct Schema {
    pub tables: Vec<Table>,
    further: Vec<String>,
}

fn one<'a>(rng: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

impl Table {
    fn random(rng: &mut StdRng, n: usize, before: &[Table]) -> Table {
        let name = format!("t{n}");
        let numbered: Vec<usize> = (0..n).filter(|i| matches!(before[*i].key, Key::Number | Key::AutoNumber)).collect();
        let key = match rng.random_range(0..12) {
            0..6 => Key::Number,
            6 => Key::AutoNumber,
            7 if !numbered.is_empty() => Key::Shared(numbered[rng.random_range(0..numbered.len())]),
            7 | 8 => Key::Text,
            9 => Key::TextWithoutRowid,
            _ => Key::Composite,
        };
        let conflict = |rng: &mut StdRng| match rng.random_range(0..7) {
            0 => " ON CONFLICT REPLACE",
            1 => " ON CONFLICT IGNORE",
            2 => " ON CONFLICT FAIL",
            3 => " ON CONFLICT ROLLBACK",
            _ => "",
        };
        let mut columns = Vec::new();
        let mut parts = Vec::new();
        match key {
            Key::Number => parts.push("id INTEGER PRIMARY KEY".to_owned()),
            Key::AutoNumber => parts.push("id INTEGER PRIMARY KEY AUTOINCREMENT".to_owned()),
            Key::Shared(with) => parts.push(format!(
                "id INTEGER PRIMARY KEY REFERENCES t{with} (id){}",
                one(rng, &["", " ON DELETE CASCADE", " ON UPDATE CASCADE ON DELETE CASCADE"])
            )),
            Key::Text | Key::TextWithoutRowid => {
                let collate = one(rng, &["", "", " COLLATE NOCASE"]);
                parts.push(format!("k TEXT NOT NULL{collate} PRIMARY KEY{}", conflict(rng)));
            }
            Key::Composite => parts.push("k INTEGER NOT NULL, l TEXT NOT NULL".to_owned()),
        }
        match key {
            Key::Number | Key::AutoNumber | Key::Shared(_) => columns.push(("id".to_owned(), Values::Number)),
            Key::Composite => columns.extend([("k".to_owned(), Values::Number), ("l".to_owned(), Values::Text)]),
            _ => columns.push(("k".to_owned(), Values::Text)),
        }
        parts.push("v".to_owned());
        columns.push(("v".to_owned(), Values::Few));
        if rng.random_range(0..2) == 0 {
            parts.push(format!("u TEXT UNIQUE{}", conflict(rng)));
            columns.push(("u".to_owned(), Values::Text));
        }
        if rng.random_range(0..3) == 0 {
            parts.push(format!("n INTEGER NOT NULL{} DEFAULT 7", one(rng, &["", " ON CONFLICT REPLACE"])));
            columns.push(("n".to_owned(), Values::Few));
        }
        if rng.random_range(0..5) == 0 {
            parts.push("g GENERATED ALWAYS AS (v || 'x')".to_owned());
        }
        let mut targets = numbered;
        if matches!(key, Key::Number | Key::AutoNumber) {
            targets.push(n);
        }
        if !targets.is_empty() && rng.random_range(0..2) == 0 {
            let target = targets[rng.random_range(0..targets.len())];
            let deleted = one(rng, &["", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON DELETE RESTRICT"]);
            let updated = one(rng, &["", "", " ON UPDATE CASCADE"]);
            let deferred = one(rng, &["", "", " DEFERRABLE INITIALLY DEFERRED"]);
            parts.push(format!("r INTEGER REFERENCES t{target} (id){deleted}{updated}{deferred}"));
            columns.push(("r".to_owned(), Values::Number));
        }
        if rng.random_range(0..5) == 0 {
            parts.push("CHECK (v IS NOT 3)".to_owned());
        }
        if key == Key::Composite {
            parts.push("PRIMARY KEY (k, l)".to_owned());
        }
        let without = key == Key::TextWithoutRowid || key == Key::Composite && rng.random();
        let text = format!("CREATE TABLE {name} ({}){}", parts.join(", "), if without { " WITHOUT ROWID" } else { "" });
        Table { name, key, text, columns }
    }

    fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| name == column)
    }

    fn has_number(&self) -> bool {
        matches!(self.key, Key::Number | Key::AutoNumber | Key::Shared(_))
    }

    fn value(&self, rng: &mut StdRng, kind: Values) -> String {
        match kind {
            Values::Few => one(rng, &["1", "2", "3", "NULL", "'x'", "1.5"]).to_owned(),
            Values::Text => one(rng, &["'A'", "'B'", "'a'", "'c'", "NULL"]).to_owned(),
            Values::Number => one(rng, &["1", "2", "3", "4", "NULL"]).to_owned(),
        }
    }

    fn statement(&self, rng: &mut StdRng) -> String {
        let name = &self.name;
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let values = |rng: &mut StdRng| {
            let all: Vec<String> = self.columns.iter().map(|(_, kind)| self.value(rng, *kind)).collect();
            all.join(", ")
        };
        let filter = |rng: &mut StdRng| {
            let (column, kind) = &self.columns[rng.random_range(0..self.columns.len())];
            format!("{column} IS {}", self.value(rng, *kind))
        };
        match rng.random_range(0..10) {
            0..4 => {
                let or = one(rng, &["", "", " OR REPLACE", " OR IGNORE", " OR FAIL"]);
                format!("INSERT{or} INTO {name} ({}) VALUES ({})", names.join(", "), values(rng))
            }
            4 => {
                let (column, kind) = &self.columns[rng.random_range(0..self.columns.len())];
                let value = self.value(rng, *kind);
                format!(
                    "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT DO UPDATE SET {column} = {value}",
                    names.join(", "),
                    values(rng)
                )
            }
            5..8 => {
                let or = one(rng, &["", "", " OR REPLACE", " OR IGNORE"]);
                let (column, kind) = &self.columns[rng.random_range(0..self.columns.len())];
                let value = self.value(rng, *kind);
                format!("UPDATE{or} {name} SET {column} = {value} WHERE {}", filter(rng))
            }
            8 if self.has("u") => {
                format!("UPDATE {name} SET u = CASE u WHEN 'A' THEN 'B' ELSE 'A' END WHERE u IN ('A', 'B')")
            }
            _ => format!("DELETE FROM {name} WHERE {}", filter(rng)),
        }
    }
}

impl Schema {
    pub fn random(rng: &mut StdRng) -> Schema {
        let mut tables: Vec<Table> = Vec::new();
        for n in 0..rng.random_range(1..4) {
            let table = Table::random(rng, n, &tables);
            tables.push(table);
        }
        let mut further = Vec::new();
        for table in &tables {
            let name = &table.name;
            if rng.random_range(0..4) == 0 {
                further
                    .push(format!("CREATE UNIQUE INDEX {name}_part ON {name} (v) WHERE v = {}", one(rng, &["1", "2"])));
            }
            if table.has("u") && rng.random_range(0..5) == 0 {
                further.push(format!("CREATE UNIQUE INDEX {name}_low ON {name} (lower(u))"));
            }
            if table.has_number() && rng.random_range(0..6) == 0 {
                further.push(format!(
                    "CREATE TRIGGER {name}_touch AFTER UPDATE OF v ON {name} BEGIN UPDATE {name} SET v = coalesce(NEW.v, 0) WHERE id = NEW.id; END"
                ));
            }
        }
        if rng.random_range(0..3) == 0 {
            let of = &tables[rng.random_range(0..tables.len())].name;
            let event = one(rng, &["INSERT", "UPDATE", "DELETE"]);
            further.push(format!("CREATE TRIGGER {of}_log AFTER {event} ON {of} BEGIN INSERT INTO log (what) VALUES ('{of} {event}'); END"));
            let text = "CREATE TABLE log (id INTEGER PRIMARY KEY, what)".to_owned();
            let columns = vec![("what".to_owned(), Values::Few)];
            tables.push(Table { name: "log".to_owned(), key: Key::Number, text, columns });
        }
        Schema { tables, further }
    }

    pub fn sql(&self) -> Vec<String> {
        self.tables.iter().map(|t| t.text.clone()).chain(self.further.iter().cloned()).collect()
    }

    /// One transaction of a program.
    pub fn statements(&self, rng: &mut StdRng) -> String {
        let count = if rng.random_range(0..3) == 0 { rng.random_range(2..4) } else { 1 };
        let all: Vec<String> =
            (0..count).map(|_| self.tables[rng.random_range(0..self.tables.len())].statement(rng)).collect();
        all.join("; ")
    }
}
