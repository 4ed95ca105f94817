//! The little of SQL's texts that SQLite tells nobody in another way: its words, and what an expression says of columns.

/// A piece of an SQL text. Comments and white space are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins in the text, bytes.
    pub(crate) at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes of any of SQLite's kinds.
    Quoted,
    /// A string, a blob, a number, a parameter.
    Literal,
    /// Any other character.
    Sign,
}

impl Token<'_> {
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text.eq_ignore_ascii_case(word)
    }

    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// What it names, without quotes.
    fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_owned()),
            Kind::Quoted => {
                let inner = &self.text[1..self.text.len().max(2) - 1];
                Some(match &self.text[..1] {
                    "[" => inner.to_owned(),
                    quote => inner.replace(&quote.repeat(2), quote),
                })
            }
            _ => None,
        }
    }
}

/// The tokens of a text.
pub(crate) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80;
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let quoted = |close: char| quoted_length(rest, close);
        let run = |from: usize| rest.bytes().skip(from).take_while(|b| is_name(*b)).count() + from;
        let (kind, length) = match bytes[at] {
            b if b.is_ascii_whitespace() => (None, 1),
            b'-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            b'/' if rest.starts_with("/*") => (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4)),
            b'\'' => (Some(Kind::Literal), quoted('\'')),
            b'x' | b'X' if bytes.get(at + 1) == Some(&b'\'') => {
                (Some(Kind::Literal), 1 + quoted_length(&rest[1..], '\''))
            }
            b'"' => (Some(Kind::Quoted), quoted('"')),
            b'`' => (Some(Kind::Quoted), quoted('`')),
            b'[' => (Some(Kind::Quoted), rest.find(']').map_or(rest.len(), |end| end + 1)),
            b'0'..=b'9' | b'?' | b':' | b'@' | b'$' | b'#' => (Some(Kind::Literal), run(1)),
            b if is_name(b) => (Some(Kind::Word), run(0)),
            _ => (Some(Kind::Sign), 1),
        };
        found.extend(kind.map(|kind| Token { kind, text: &rest[..length], at }));
        at += length;
    }
    found
}

/// The length of what stands in quotes at the beginning of a text; two quotes within it are one of its characters.
fn quoted_length(text: &str, close: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == close && chars.next_if(|(_, next)| *next == close).is_none() {
            return at + 1;
        }
    }
    text.len()
}

/// Whether a table's text says of a constraint that it does anything else than refuse a statement that breaks it.
pub(crate) fn has_conflict_clause(create_table: &str) -> bool {
    let acts = |t: &Token<'_>| ["ROLLBACK", "FAIL", "IGNORE", "REPLACE"].iter().any(|word| t.is(word));
    tokens(create_table).windows(3).any(|three| three[0].is("ON") && three[1].is("CONFLICT") && acts(&three[2]))
}

/// An expression over the columns of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Column(String),
}

impl Expression {
    pub(crate) fn column(name: &str) -> Expression {
        Expression(vec![Piece::Column(name.to_owned())])
    }

    /// Reads an expression of an index of a table with these columns.
    fn parse(table: &str, columns: &[String], sql: &str) -> Expression {
        let all = tokens(sql);
        let mut pieces = Vec::new();
        let mut from = all.first().map_or(0, |t| t.at);
        let sign = |place: Option<usize>, sign: &str| place.and_then(|i| all.get(i)).is_some_and(|t| t.is(sign));
        for (i, token) in all.iter().enumerate() {
            let before = i.checked_sub(1);
            // What follows AS is the type that CAST makes, what follows COLLATE a collation.
            let names_no_column =
                sign(Some(i + 1), "(") || sign(Some(i + 1), ".") || sign(before, "AS") || sign(before, "COLLATE");
            let column = token.name().filter(|_| !names_no_column);
            let column = column.and_then(|name| columns.iter().find(|c| c.eq_ignore_ascii_case(&name)));
            let Some(column) = column else { continue };
            // The table's own name may stand before it.
            let qualifier = before.and_then(|dot| dot.checked_sub(1)).filter(|_| sign(before, ".")).map(|i| &all[i]);
            let start = match qualifier.map(|q| (q.at, q.name())) {
                Some((at, Some(name))) if name.eq_ignore_ascii_case(table) => at,
                Some(_) => continue,
                None => token.at,
            };
            pieces.extend((from < start).then(|| Piece::Text(sql[from..start].to_owned())));
            pieces.push(Piece::Column(column.clone()));
            from = token.end();
        }
        // A comment at the end would go on in what is put behind it.
        let end = all.last().map_or(from, Token::end);
        pieces.extend((from < end).then(|| Piece::Text(sql[from..end].to_owned())));
        Expression(pieces)
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Column(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// As SQL, with something in the place of each column.
    pub(crate) fn with(&self, column: &dyn Fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Column(name) => column(name),
            })
            .collect()
    }
}

/// What an index's text says: the expressions that are unique in it, and of which rows.
pub(crate) fn index_expressions(
    table: &str,
    columns: &[String],
    create_index: &str,
) -> Option<(Vec<Expression>, Option<Expression>)> {
    let all = tokens(create_index);
    let open = all.iter().position(|t| t.is("("))?;
    let (mut depth, mut starts, mut ends, mut close) = (0, vec![all[open].end()], Vec::new(), None);
    for (i, token) in all.iter().enumerate().skip(open) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            "," if depth == 1 => {
                ends.push(token.at);
                starts.push(token.end());
            }
            _ => {}
        }
        if depth == 0 {
            ends.push(token.at);
            close = Some(i);
            break;
        }
    }
    let parts = starts.into_iter().zip(ends).map(|(start, end)| part(table, columns, &create_index[start..end]));
    let condition = all.get(close? + 1).filter(|t| t.is("WHERE"));
    let condition = condition.map(|t| Expression::parse(table, columns, create_index[t.end()..].trim_end_matches(';')));
    Some((parts.collect(), condition))
}

/// One part of an index, without its order: that is no part of the expression.
fn part(table: &str, columns: &[String], sql: &str) -> Expression {
    let order = tokens(sql).last().filter(|t| t.is("ASC") || t.is("DESC")).map(|t| t.at);
    Expression::parse(table, columns, &sql[..order.unwrap_or(sql.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(alias: &'static str) -> impl Fn(&str) -> String {
        move |column| format!("{alias}.{column}")
    }

    #[test]
    fn conflict_clauses_are_found_where_they_are_said() {
        for (sql, found) in [
            ("CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)", true),
            ("CREATE TABLE t (a, UNIQUE (a) on /* so */ conflict -- or so\n ignore)", true),
            ("CREATE TABLE t (a UNIQUE ON CONFLICT ABORT)", false),
            ("CREATE TABLE t (a DEFAULT 'ON CONFLICT FAIL', \"on conflict fail\" /* ON CONFLICT FAIL */)", false),
        ] {
            assert_eq!(has_conflict_clause(sql), found, "{sql}");
        }
    }

    #[test]
    fn an_index_is_read_as_expressions_of_its_columns() {
        let columns = ["a", "Name", "text"].map(str::to_owned);
        let sql =
            "CREATE UNIQUE INDEX i ON t (lower(NAME) || ', a' COLLATE text DESC, \"a\", CAST([name] AS text) + t.a)
                   WHERE a IS NOT NULL AND 'text' <> `Name`";
        let (parts, condition) = index_expressions("T", &columns, sql).unwrap();
        let shown: Vec<String> = parts.iter().map(|p| p.with(&of("n")).trim().to_owned()).collect();
        assert_eq!(shown, ["lower(n.Name) || ', a' COLLATE text", "n.a", "CAST(n.Name AS text) + n.a"]);
        let condition = condition.unwrap();
        assert_eq!(condition.with(&of("n")).trim(), "n.a IS NOT NULL AND 'text' <> n.Name");
        assert_eq!(condition.columns().collect::<Vec<_>>(), ["a", "Name"]);
        let (parts, condition) = index_expressions("t", &columns, "CREATE UNIQUE INDEX i ON t(a)").unwrap();
        assert_eq!((parts, condition), (vec![Expression::column("a")], None));
    }
}
