//! How numbers and times are written for people, the same in the window, on the command line and in reports.

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
