//! Commands for the `sqlite3` shell that help where only the owner of a table can, ready to be pasted.

use crate::sync::data::schema::{Class, Key, Property, quote};
use crate::sync::data::value::Value;
use crate::sync::node::Node;
use crate::sync::node::unseen::key_columns;
use crate::words::{quoted, quoted_path};

/// How rows get an identity that were written past the triggers: they are written once more.
pub(crate) fn write_again(node: &Node, class: &Class) -> String {
    let (table, number) = (quote(&class.table), class.has_numbers().then(|| key_columns(class)));
    let columns = number.into_iter().flatten().chain(class.columns().map(|(_, p)| p.name.as_str()));
    let columns = columns.map(quote).collect::<Vec<_>>().join(", ");
    let keys = key_columns(class).into_iter().map(quote).collect::<Vec<_>>().join(", ");
    let kept = match &class.key {
        Key::Number(_) => "key".to_owned(),
        Key::Content(places) => (0..places.len()).map(|n| format!("k{n}")).collect::<Vec<_>>().join(", "),
    };
    let rows = format!("{table} WHERE ({keys}) NOT IN (SELECT {kept} FROM {})", class.objects());
    let sql = format!(
        "BEGIN; CREATE TEMP TABLE unseen AS SELECT {columns} FROM {rows}; DELETE FROM {rows}; \
         INSERT INTO {table} ({columns}) SELECT * FROM unseen; COMMIT"
    );
    let command = shell(node, &sql);
    format!("write it once more, with the triggers there; then it is an object of its own and travels: {command}")
}

/// What helps where a row went past the triggers.
pub(crate) fn put_back(node: &Node, class: &Class) -> String {
    format!(
        "put the row back under its key, as it is at another node, with triggers switched off (sqlite3 {} \".dbconfig enable_trigger off\" {}); if it is to be gone, delete it then, with the triggers there",
        quoted_path(&node.path),
        quoted(&format!("INSERT INTO {} …", quote(&class.table)))
    )
}

/// How a column is added as another node has it.
pub(crate) fn add_column(node: &Node, class: &Class, p: &Property) -> String {
    let default = match &p.added {
        None | Some(Value::Null) => String::new(),
        Some(value) => format!(" DEFAULT {}", value.literal()),
    };
    let target = p.references.as_ref().and_then(|target| node.class(target).ok());
    let references = target.map(|target| format!(" REFERENCES {}", quote(&target.table))).unwrap_or_default();
    let not_null = if p.not_null { " NOT NULL" } else { "" };
    let declared = if p.declared.is_empty() { String::new() } else { format!(" {}", p.declared) };
    let (table, column) = (quote(&class.table), quote(&p.name));
    shell(node, &format!("ALTER TABLE {table} ADD COLUMN {column}{declared}{not_null}{default}{references}"))
}

fn shell(node: &Node, sql: &str) -> String {
    format!("sqlite3 {} {}", quoted_path(&node.path), quoted(sql))
}
