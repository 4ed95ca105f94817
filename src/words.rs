//! How numbers, times, names and paths are written for people, the same in the window, on the command line and in reports.

use std::path::Path;

use serde::{Serialize, Serializer};

/// A number with its thousands grouped: `1,028`.
pub(crate) fn grouped(n: u64) -> String {
    group(&n.to_string())
}

/// Groups the thousands of a whole number that is written already.
pub(crate) fn group(digits: &str) -> String {
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// `1 object`, `2 objects`.
pub(crate) fn count(n: usize, singular: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {singular}{plural}", grouped(n as u64))
}

/// Local date and time of microseconds since 1970 UTC: `2026-11-20 16:44:42`.
pub(crate) fn local_time(micros: i64) -> String {
    local(micros, "%Y-%m-%d %H:%M:%S")
}

/// Two times, as exactly as it takes to tell them apart.
pub(crate) fn two_times(a: i64, b: i64) -> (String, String) {
    let formats = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.3f", "%Y-%m-%d %H:%M:%S%.6f"];
    let written = formats.map(|format| (local(a, format), local(b, format)));
    let exact = written[2].clone();
    written.into_iter().find(|(a, b)| a != b).unwrap_or(exact)
}

/// The local time now; 1970 on a machine whose clock says an earlier year, where `chrono`'s own `now` panics.
pub(crate) fn now() -> chrono::DateTime<chrono::Local> {
    let micros = crate::sync::system_clock()();
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default().with_timezone(&chrono::Local)
}

fn local(micros: i64, format: &str) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.with_timezone(&chrono::Local).format(format).to_string()
}

/// Whether two names of nodes are the same: compared without case, in any script.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// A word of a command that can be pasted into a shell, whatever it holds: a name may come from a stranger.
pub(crate) fn quoted(word: &str) -> String {
    quoted_bytes(word.as_bytes())
}

/// A file or folder in such a command; never taken for an option.
pub(crate) fn quoted_path(path: &Path) -> String {
    let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
    if bytes.starts_with(b"-") {
        bytes.splice(0..0, *b"./");
    }
    quoted_bytes(&bytes)
}

fn quoted_bytes(bytes: &[u8]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-:=@%+,".contains(c);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Ok(text) if !text.contains(is_control) => format!("'{}'", text.replace('\'', "'\\''")),
        // As bash, zsh and POSIX 2024 read it; a terminal would not show it.
        _ => {
            let mut out = "$'".to_owned();
            for chunk in bytes.utf8_chunks() {
                for c in chunk.valid().chars() {
                    match c {
                        '\'' | '\\' => out.extend(['\\', c]),
                        c if is_control(c) => out += &in_hex(c.encode_utf8(&mut [0; 4]).as_bytes()),
                        c => out.push(c),
                    }
                }
                out += &in_hex(chunk.invalid());
            }
            out + "'"
        }
    }
}

fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// Whether a terminal would obey a character, or order others by it, instead of showing it.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// A text as a terminal can show it: other control characters than the ends of lines and tabs are spelled out.
pub(crate) fn visible(text: &str) -> String {
    let obeyed = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match obeyed(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
        out
    })
}

/// Writes a path as text; what is no UTF-8 in it becomes U+FFFD, the sign for that.
pub(crate) fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_commands_are_one_word_for_a_shell() {
        assert_eq!(quoted("MASTER"), "MASTER");
        assert_eq!(quoted("МОСКВА-2"), "МОСКВА-2");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("X; touch OWNED #"), "'X; touch OWNED #'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a\u{1b}[2J'\\"), r"$'a\x1b[2J\'\\'");
        assert_eq!(quoted_path(Path::new("-x.db")), "./-x.db");
        assert_eq!(quoted_path(Path::new("my data (2024).db")), "'my data (2024).db'");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_utf8_can_be_pasted_too() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"n\xff\xc3\xa9.db"));
        assert_eq!(quoted_path(path), "$'n\\xffé.db'");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}b\u{7}\n\tc"), "a\\u{1b}[31m\\u{202e}b\\u{7}\n\tc");
        assert_eq!(visible("Zoë"), "Zoë");
    }
}
