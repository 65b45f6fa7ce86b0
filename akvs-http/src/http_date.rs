//! Dates in header fields (RFC 9110, section 5.6.7), in the three forms that a recipient must accept.
//!
//! It is less strict than the rules for senders in one point: the name of the day need not be that of the date. A
//! condition without a valid date has no effect, so only text that is not a date counts as invalid.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::http::header::HeaderValue;
use akvs_core::Timestamp;

/// The number of formatted dates that each thread keeps: formatting one takes longer than all other fields of an answer.
const KEPT: usize = 64;

thread_local! {
    /// The dates by their second, each in the slot of its remainder.
    static FORMATTED: RefCell<[Option<(u64, HeaderValue)>; KEPT]> =
        const { RefCell::new([const { None }; KEPT]) };
}

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_SECS: i64 = 86_400;

/// Formats the date of a time; a time after the year 9999 counts as its end.
pub(crate) fn format(time: Timestamp) -> Option<HeaderValue> {
    let secs = time.min(Timestamp::LAST).as_secs();
    FORMATTED.with_borrow_mut(|kept| {
        let slot = &mut kept[secs as usize % KEPT];
        if let Some((kept, value)) = slot
            && *kept == secs
        {
            return Some(value.clone());
        }
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs));
        let value = HeaderValue::try_from(date).ok()?;
        *slot = Some((secs, value.clone()));
        Some(value)
    })
}

/// Parses a date; a date before 1970 counts as the beginning of 1970. `now` gives a year of two digits its century.
pub(crate) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (name, rest) = text.trim_matches([' ', '\t']).split_once(' ')?;
    let is_short = |name: &str| DAYS.iter().any(|day| day[..3] == *name);
    let secs = match name.strip_suffix(',') {
        Some(name) if is_short(name) => imf_fixdate(rest),
        Some(name) if DAYS.contains(&name) => rfc850_date(rest, now),
        None if is_short(name) => asctime_date(rest),
        Some(_) | None => None,
    }?;
    let secs = u64::try_from(secs).unwrap_or_default();
    Some(Timestamp::from_millis(secs * 1_000))
}

/// Parses `06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(text: &str) -> Option<i64> {
    let mut parts = text.strip_suffix(" GMT")?.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let time = parts.next().filter(|_| parts.next().is_none())?;
    seconds(
        [digits(year, 4)?, parse_month(month)?, digits(day, 2)?],
        time,
    )
}

/// Parses `06-Nov-94 08:49:37 GMT`.
fn rfc850_date(text: &str, now: Timestamp) -> Option<i64> {
    let (date, time) = text.strip_suffix(" GMT")?.split_once(' ')?;
    let mut parts = date.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let year = digits(year, 2).filter(|_| parts.next().is_none())?;
    // The latest year with these digits that is not more than 50 years ahead.
    let latest = 1970 + (now.as_secs() as i64) / (365 * DAY_SECS + DAY_SECS / 4) + 50;
    let year = latest - (latest - year).rem_euclid(100);
    seconds([year, parse_month(month)?, digits(day, 2)?], time)
}

/// Parses `Nov  6 08:49:37 1994`.
fn asctime_date(text: &str) -> Option<i64> {
    let (month, rest) = text.split_once(' ')?;
    let (day, rest) = rest.split_at_checked(2)?;
    let day = match day.strip_prefix(' ') {
        Some(digit) => digits(digit, 1)?,
        None => digits(day, 2)?,
    };
    let (time, year) = rest.strip_prefix(' ')?.split_once(' ')?;
    seconds([digits(year, 4)?, parse_month(month)?, day], time)
}

fn parse_month(name: &str) -> Option<i64> {
    let index = MONTHS.iter().position(|month| *month == name)?;
    Some(index as i64 + 1)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Returns the seconds since 1970 of a year, a month and a day at a time of day.
fn seconds([year, month, day]: [i64; 3], time: &str) -> Option<i64> {
    let mut parts = time.split(':').map(|part| digits(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    // 60 is a leap second.
    let is_time = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none();
    let is_day = (1..=month_length(year, month)).contains(&day);
    if !is_time || !is_day {
        return None;
    }
    Some(days(year, month, day) * DAY_SECS + hour * 3_600 + minute * 60 + second)
}

fn month_length(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days since 1970-01-01 in the Gregorian calendar. It counts in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In 2026.
    const NOW: Timestamp = Timestamp::from_millis(1_796_000_000_000);

    fn secs(text: &str) -> Option<u64> {
        parse(text, NOW).map(Timestamp::as_secs)
    }

    #[test]
    fn a_date_has_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "\tSun, 06 Nov 1994 08:49:37 GMT ",
            "Mon, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(secs(text), Some(784_111_777), "{text}");
        }
        assert_eq!(secs("Thu, 31 Dec 1998 23:59:60 GMT"), Some(915_148_800));
        assert_eq!(secs("Sun Nov 16 08:49:37 1994"), Some(784_975_777));
    }

    #[test]
    fn every_formatted_day_is_parsed_back() {
        for day in (0..400 * 366).step_by(17) {
            // The second time it is a date that was kept.
            for second in [day * 86_400 + 1, day * 86_400 + 65, day * 86_400 + 1] {
                let value = format(Timestamp::from_millis(second * 1_000 + 999)).unwrap();
                let text = value.to_str().unwrap();
                assert_eq!(secs(text), Some(second), "{text}");
            }
        }
        let last = format(Timestamp::from_millis(u64::MAX)).unwrap();
        assert_eq!(last, "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(secs("Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
    }

    #[test]
    fn a_date_before_1970_counts_as_1970() {
        for text in [
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Mon, 01 Jan 0001 00:00:00 GMT",
            "Sat Jan  1 00:00:00 0000",
        ] {
            assert_eq!(secs(text), Some(0), "{text}");
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_50_years_ahead() {
        let year = |text: &str| secs(text).map(|secs| 1970 + secs / 31_557_000);
        assert_eq!(year("Sunday, 06-Nov-76 08:49:37 GMT"), Some(2076));
        assert_eq!(year("Sunday, 06-Nov-77 08:49:37 GMT"), Some(1977));
        assert_eq!(year("Sunday, 06-Nov-00 08:49:37 GMT"), Some(2000));
    }

    #[test]
    fn text_that_is_not_a_date_is_refused() {
        for text in [
            "",
            "0",
            "784111777",
            "1994-11-06T08:49:37Z",
            "06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 29 Feb 1995 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 +8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT",
            "\"Sun, 06 Nov 1994 08:49:37 GMT\"",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "Sün, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(secs(text), None, "{text}");
        }
    }
}
