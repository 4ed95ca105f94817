//! Property values as SQLite stores them, references as GUIDs, and their form in JSON.
//!
//! Integers, reals, text and NULL are themselves in JSON (`1` is an integer, `1.0` a real). What JSON cannot say is an
//! object with one key: a blob `{"blob": "hex"}`, text that is not UTF-8 `{"text": "hex"}`, an infinite real
//! `{"real": "inf"}`, a reference to a key that never named an object `{"dangling": key}`; a reference is `{"ref": "UUID"}`
//! in what a node keeps and `[node, serial]` in a set.

use rusqlite::Row;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use serde_json::{Value as Json, json};

use crate::sync::data::guid::Guid;

/// One property's value. Equality is by type and exact value, as binary collation has it; −0.0 is 0.0, as it is for SQLite's
/// own comparison, by which the triggers go.
#[derive(Clone, Debug)]
pub enum Value {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating point number; SQLite stores no NaN.
    Real(f64),
    /// Text.
    Text(String),
    /// Text that is not UTF-8, which SQLite stores as it comes.
    RawText(Vec<u8>),
    /// A blob.
    Blob(Vec<u8>),
    /// A reference to an object with a GUID.
    Reference(Guid),
    /// A reference column whose key never named an object here (`foreign_keys` was off).
    Dangling(i64),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        use Value::*;
        match (self, other) {
            (Null, Null) => true,
            (Integer(a), Integer(b)) | (Dangling(a), Dangling(b)) => a == b,
            (Real(a), Real(b)) => real(*a).to_bits() == real(*b).to_bits(),
            (Text(a), Text(b)) => a == b,
            (RawText(a), RawText(b)) | (Blob(a), Blob(b)) => a == b,
            (Reference(a), Reference(b)) => a == b,
            _ => false,
        }
    }
}

/// Reals are compared bit by bit, but for the sign of zero.
impl Eq for Value {}

impl Value {
    pub(crate) fn from_sql(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(i) => Value::Integer(i),
            ValueRef::Real(r) => Value::Real(real(r)),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::RawText(bytes.to_vec()),
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        }
    }

    /// As JSON; `reference` says how a reference is written there.
    pub fn to_json(&self, reference: impl Fn(Guid) -> Json) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Integer(i) => json!(i),
            Value::Real(r) if r.is_finite() => json!(real(*r)),
            Value::Real(r) => json!({"real": if *r > 0.0 { "inf" } else { "-inf" }}),
            Value::Text(text) => json!(text),
            Value::RawText(bytes) => json!({"text": to_hex(bytes)}),
            Value::Blob(bytes) => json!({"blob": to_hex(bytes)}),
            Value::Reference(guid) => reference(*guid),
            Value::Dangling(key) => json!({"dangling": key}),
        }
    }

    /// Reads what [`Value::to_json`] wrote; `None` where it is nothing of the kind.
    pub fn from_json(json: &Json, reference: impl Fn(&Json) -> Option<Guid>) -> Option<Self> {
        Some(match json {
            Json::Null => Value::Null,
            Json::Number(n) => match n.as_i64() {
                Some(i) => Value::Integer(i),
                None if n.is_f64() => Value::Real(real(n.as_f64()?)),
                None => return None,
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(_) => Value::Reference(reference(json)?),
            Json::Object(object) if object.len() == 1 => {
                let (key, value) = object.iter().next()?;
                match key.as_str() {
                    "ref" => Value::Reference(reference(json)?),
                    "blob" => Value::Blob(from_hex(value.as_str()?)?),
                    "text" => Value::RawText(from_hex(value.as_str()?)?),
                    "real" => Value::Real(match value.as_str()? {
                        "inf" => f64::INFINITY,
                        "-inf" => f64::NEG_INFINITY,
                        _ => return None,
                    }),
                    "dangling" => Value::Dangling(value.as_i64()?),
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// Reads what somebody typed for a column of that declared type: what SQLite would store (its rules of column affinity,
    /// <https://www.sqlite.org/datatype3.html>, section 3.1). `null` is NULL; text in double quotes is that text.
    pub fn from_typed(text: &str, declared: &str) -> Value {
        if text == "null" {
            return Value::Null;
        }
        if let Some(quoted) = text.strip_prefix('"').and_then(|_| serde_json::from_str::<String>(text).ok()) {
            return Value::Text(quoted);
        }
        let declared = declared.to_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        let number = text.trim().parse::<f64>().ok().filter(|r| r.is_finite());
        let integer = text.trim().parse::<i64>().ok().map(Value::Integer);
        let whole = || number.filter(|r| r.fract() == 0.0 && r.abs() < 9e15).map(|r| Value::Integer(r as i64));
        let real = || number.map(Value::Real);
        let found = if has(&["INT"]) {
            integer.or_else(whole).or_else(real)
        } else if has(&["CHAR", "CLOB", "TEXT", "BLOB"]) || declared.is_empty() {
            None
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            real()
        } else {
            integer.or_else(whole).or_else(real)
        };
        found.unwrap_or_else(|| Value::Text(text.to_owned()))
    }

    /// As JSON with references as `{"ref": "UUID"}`.
    pub fn to_stored_json(&self) -> Json {
        self.to_json(|guid| json!({"ref": guid.to_string()}))
    }

    /// Reads what [`Value::to_stored_json`] wrote.
    pub fn from_stored_json(json: &Json) -> Option<Self> {
        Value::from_json(json, |j| j.get("ref")?.as_str()?.parse().ok())
    }

    /// Appends `count` columns of a row, from `first` on, as they are stored.
    pub(crate) fn read_row(row: &Row<'_>, first: usize, count: usize, values: &mut Vec<Value>) -> rusqlite::Result<()> {
        for column in first..first + count {
            values.push(Value::from_sql(row.get_ref(column)?));
        }
        Ok(())
    }

    /// Bytes that are the same for equal values only, also one after the other; shorter lived than any stored form.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Value::Reference(guid) => {
                bytes.push(6);
                bytes.extend_from_slice(&guid.node.0.to_le_bytes());
                bytes.extend_from_slice(&guid.serial.to_le_bytes());
            }
            Value::Dangling(key) => {
                bytes.push(7);
                bytes.extend_from_slice(&key.to_le_bytes());
            }
            value => append_stored(value.stored(), bytes),
        }
    }

    /// The number that it is in a column which refers to an INTEGER PRIMARY KEY.
    pub(crate) fn as_key(&self) -> Option<i64> {
        if matches!(self, Value::Reference(_)) { None } else { stored_key(self.stored()) }
    }

    /// As SQLite stores it; a reference is stored as a local key, which is not known here: NULL.
    fn stored(&self) -> ValueRef<'_> {
        match self {
            Value::Null | Value::Reference(_) => ValueRef::Null,
            Value::Integer(i) | Value::Dangling(i) => ValueRef::Integer(*i),
            Value::Real(r) => ValueRef::Real(real(*r)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::RawText(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }

    /// As people read it beside others of one property (see [`Value::need_types`]): as SQL and JSON write it, so that its type
    /// is seen; of a long blob its beginning, length and hash.
    pub fn shown_typed(&self) -> String {
        match self {
            Value::Real(r) => format!("{:?}", real(*r)),
            Value::Text(text) => json!(text).to_string(),
            Value::RawText(bytes) => format!("text {}", blob_shown(bytes)),
            Value::Blob(bytes) => blob_shown(bytes),
            value => value.shown(),
        }
    }

    /// As a literal of SQL; a reference is a local key, which is not known here: NULL.
    pub(crate) fn literal(&self) -> String {
        match self {
            Value::Null | Value::Reference(_) => "NULL".to_owned(),
            Value::Real(r) if r.is_infinite() => if *r > 0.0 { "9e999" } else { "-9e999" }.to_owned(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::RawText(bytes) => format!("CAST({} AS TEXT)", Value::Blob(bytes.clone()).literal()),
            Value::Blob(bytes) => format!("x'{}'", to_hex(bytes)),
            Value::Dangling(key) => key.to_string(),
            value => value.shown_typed(),
        }
    }

    /// Whether values of one property have to be shown with their types to be told apart: they are of several types, or two
    /// that differ would read the same, or one would hardly be seen.
    pub fn need_types<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
        let values: Vec<&Value> = values.into_iter().collect();
        let kinds: Vec<_> = values.iter().filter(|v| ***v != Value::Null).map(|v| std::mem::discriminant(*v)).collect();
        let faint =
            |v: &&Value| matches!(v, Value::Text(text) if text.trim() != text || text.is_empty() || text == "–");
        let alike = |(i, a): (usize, &&Value)| values[i + 1..].iter().any(|b| a != b && a.shown() == b.shown());
        kinds.windows(2).any(|w| w[0] != w[1]) || values.iter().any(faint) || values.iter().enumerate().any(alike)
    }

    /// As people read it: text as it is, NULL as `–`, a reference as its GUID.
    pub fn shown(&self) -> String {
        match self {
            Value::Null => "–".to_owned(),
            Value::Integer(i) => i.to_string(),
            Value::Real(r) => r.to_string(),
            Value::Text(text) => text.clone(),
            Value::RawText(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Blob(bytes) => format!("{} bytes", bytes.len()),
            Value::Reference(guid) => guid.to_string(),
            Value::Dangling(key) => format!("unknown key {key}"),
        }
    }
}

/// Binds a value that is no reference; references are turned into local keys before.
impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Value::Reference(guid) => {
                Err(rusqlite::Error::ToSqlConversionFailure(format!("reference {guid} has no key here").into()))
            }
            value => Ok(ToSqlOutput::Borrowed(value.stored())),
        }
    }
}

/// The number that a stored value is in a column which refers to an INTEGER PRIMARY KEY: SQLite takes a text or a real that is a whole
/// number for that number there (<https://www.sqlite.org/foreignkeys.html>, section 3). `None`: it cannot name any row.
pub(crate) fn stored_key(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(key) => Some(key),
        // Beyond 2^53 not every whole number is one.
        ValueRef::Real(r) => (r.fract() == 0.0 && r.abs() < 9_007_199_254_740_992.0).then_some(r as i64),
        ValueRef::Text(text) => std::str::from_utf8(text).ok()?.trim_matches(' ').parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// What [`Value::append_to`] appends for a value that is no reference, as SQLite has it.
pub(crate) fn append_stored(value: ValueRef<'_>, bytes: &mut Vec<u8>) {
    let mut long = |tag: u8, content: &[u8]| {
        bytes.push(tag);
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(content);
    };
    match value {
        ValueRef::Text(text) => long(0, text),
        ValueRef::Blob(blob) => long(2, blob),
        ValueRef::Null => bytes.push(3),
        ValueRef::Integer(i) => {
            bytes.push(4);
            bytes.extend_from_slice(&i.to_le_bytes());
        }
        ValueRef::Real(r) => {
            bytes.push(5);
            bytes.extend_from_slice(&real(r).to_bits().to_le_bytes());
        }
    }
}

/// A real as it is compared, hashed and written: zero has no sign. SQLite keeps −0.0 in some columns and not in others, and calls
/// the two equal, so that no trigger notices when one becomes the other.
fn real(r: f64) -> f64 {
    if r == 0.0 { 0.0 } else { r }
}

/// At most so many bytes of a blob are shown.
const BLOB_SHOWN: usize = 16;

fn blob_shown(bytes: &[u8]) -> String {
    match bytes.get(..BLOB_SHOWN) {
        Some(first) if bytes.len() > BLOB_SHOWN => {
            let hash = blake3::hash(bytes).to_hex();
            format!("x'{}…' ({} bytes, hash {})", to_hex(first), bytes.len(), &hash[..8])
        }
        _ => format!("x'{}'", to_hex(bytes)),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let valid = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    valid.then(|| (0..text.len()).step_by(2).filter_map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::data::guid::NodeId;

    #[test]
    fn typed_text_is_read_as_sqlite_would_store_it() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        let types =
            ["INTEGER", "BIGINT", "NUMERIC", "DECIMAL(10,2)", "REAL", "DOUBLE", "TEXT", "VARCHAR(9)", "BLOB", ""];
        for declared in types {
            conn.execute_batch(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v {declared})")).unwrap();
            for text in ["5", "5.0", "5.25", "-7", "abc", "", "1e3", "9223372036854775807", " 5 "] {
                conn.execute("DELETE FROM t", []).unwrap();
                conn.execute("INSERT INTO t VALUES (?1)", [text]).unwrap();
                let stored = conn.query_row("SELECT v FROM t", [], |r| Ok(Value::from_sql(r.get_ref(0)?))).unwrap();
                assert_eq!(Value::from_typed(text, declared), stored, "{text:?} as {declared:?}");
            }
        }
        assert_eq!(Value::from_typed("null", "TEXT"), Value::Null);
        assert_eq!(Value::from_typed("\"null\"", "TEXT"), Value::Text("null".into()));
    }

    #[test]
    fn zero_has_no_sign_however_it_is_read_compared_hashed_and_written() {
        let (minus, zero) = (Value::Real(-0.0), Value::Real(0.0));
        assert_eq!(minus, zero);
        assert_eq!(minus.to_stored_json().to_string(), "0.0");
        let parsed: Json = serde_json::from_str("-0.0").unwrap();
        let read = [Value::from_stored_json(&parsed).unwrap(), Value::from_sql(ValueRef::Real(-0.0))];
        assert!(read.iter().all(|v| matches!(v, Value::Real(r) if r.is_sign_positive())), "{read:?}");
        assert!(matches!(minus.stored(), ValueRef::Real(r) if r.is_sign_positive()));
        let bytes = |value: &Value| {
            let mut bytes = Vec::new();
            value.append_to(&mut bytes);
            bytes
        };
        assert_eq!(bytes(&minus), bytes(&zero));
        assert_ne!(zero, Value::Integer(0), "its type still counts");
        assert_ne!(Value::Real(-1.0), Value::Real(1.0));
    }

    #[test]
    fn values_that_differ_never_look_alike_beside_each_other() {
        let long = |last: u8| Value::Blob([[7; 40].as_slice(), &[last]].concat());
        let all = [
            Value::Null,
            Value::Integer(1),
            Value::Real(1.0),
            Value::Text("1".into()),
            Value::Text("1 ".into()),
            Value::Text(String::new()),
            Value::Text("–".into()),
            Value::Text("1.0".into()),
            Value::Text("x'31'".into()),
            Value::Text("\"1\"".into()),
            Value::Text("1 bytes".into()),
            Value::Blob(vec![0x31]),
            Value::Blob(vec![0x32]),
            Value::Blob(vec![]),
            Value::RawText(vec![0x31, 0xff]),
            Value::RawText(vec![0x31, 0xfe]),
            long(1),
            long(2),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                let typed = Value::need_types([a, b]);
                let [x, y] = [a, b].map(|v| if typed { v.shown_typed() } else { v.shown() });
                assert_ne!(x, y, "{a:?} {b:?}");
                assert!(!x.trim().is_empty() && !y.trim().is_empty(), "{a:?} {b:?}");
            }
        }
        let plain = [Value::Text("red".into()), Value::Text("blue".into()), Value::Null];
        assert!(!Value::need_types(&plain), "what is plain stays plain");
    }

    #[test]
    fn json_keeps_type_and_value() {
        let guid = Guid { node: NodeId(7), serial: 9 };
        let values = [
            Value::Null,
            Value::Integer(1),
            Value::Real(1.0),
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Real(12.34),
            Value::Real(5e-324),
            Value::Real(f64::NEG_INFINITY),
            Value::Text("1".into()),
            Value::Text("line\nand \"quotes\" \u{0}".into()),
            Value::RawText(vec![0xff, 0x00]),
            Value::Blob(vec![]),
            Value::Blob(vec![0, 255]),
            Value::Reference(guid),
            Value::Dangling(-3),
        ];
        for value in &values {
            let text = value.to_stored_json().to_string();
            let json: Json = serde_json::from_str(&text).unwrap();
            let back = Value::from_stored_json(&json).unwrap();
            assert_eq!(&back, value, "{text}");
        }
        assert_ne!(Value::Integer(1), Value::Real(1.0));
        for bad in ["18446744073709551615", "[1]", "true", r#"{"blob":"f"}"#, r#"{"blob":"zz"}"#, r#"{"a":1}"#] {
            let json: Json = serde_json::from_str(bad).unwrap();
            assert!(Value::from_json(&json, |_| None).is_none(), "{bad}");
        }
    }
}
