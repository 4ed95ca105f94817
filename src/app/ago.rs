//! How long ago something was, for what happened today; what is older is told by its date.

use chrono::NaiveDateTime;

use crate::demo::model::DATE_FORMAT;

/// `just now`, `3 min ago`, `2 h ago`, or the local time itself: `2026-11-20 10:42:30`.
pub fn ago(at: &str) -> String {
    since(at, crate::words::now().naive_local())
}

fn since(at: &str, now: NaiveDateTime) -> String {
    let Ok(then) = NaiveDateTime::parse_from_str(at, DATE_FORMAT) else { return at.to_owned() };
    match (now - then).num_seconds() {
        // A clock was put back, or it came from a machine whose clock is ahead.
        ..0 => at.to_owned(),
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => at.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_told_by_how_long_ago() {
        let now = NaiveDateTime::parse_from_str("2026-11-20 12:00:00", DATE_FORMAT).unwrap();
        for (at, said) in [
            ("2026-11-20 12:00:00", "just now"),
            ("2026-11-20 11:58:01", "1 min ago"),
            ("2026-11-20 09:59:59", "2 h ago"),
            ("2026-11-19 12:00:00", "2026-11-19 12:00:00"),
            ("2026-11-20 12:00:01", "2026-11-20 12:00:01"),
            ("some day", "some day"),
        ] {
            assert_eq!(since(at, now), said);
        }
    }
}
