//! The moment at which a request says that it was signed.

use std::fmt;

/// `YYYYMMDDTHHMMSSZ`, checked: also the text of it, because signatures are over the text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    text: [u8; 16],
    /// Since 1970.
    pub(crate) secs: u64,
}

impl Stamp {
    /// Reads SigV4's own form; `None` for anything else, and for years before 1970.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text: [u8; 16] = text.as_bytes().try_into().ok()?;
        if text[8] != b'T' || text[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| {
            text[from..to]
                .iter()
                .try_fold(0_u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        let in_range = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !in_range || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let secs = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { text, secs })
    }

    /// Reads an HTTP date, as in the header `Date`.
    pub(crate) fn parse_http(text: &str) -> Option<Self> {
        let secs =
            httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        let moment = time::OffsetDateTime::from_unix_timestamp(i64::try_from(secs).ok()?).ok()?;
        let (year, month, day) = (moment.year(), u8::from(moment.month()), moment.day());
        let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
        Self::parse(&format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.text
    }

    /// The day alone, as credential scopes have it.
    pub(crate) fn day(&self) -> &[u8] {
        &self.text[..8]
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// Days of the proleptic Gregorian calendar: years counted from March, so that the leap day is the last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    // Days from 1 March of year 0 to 1 January 1970.
    days - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_count_seconds_since_1970() {
        for (text, secs) in [
            ("19700101T000000Z", 0),
            ("20130524T000000Z", 1_369_353_600),
            ("20240229T235959Z", 1_709_251_199),
            ("20261121T101112Z", 1_795_255_872),
        ] {
            assert_eq!(Stamp::parse(text).unwrap().secs, secs, "{text}");
        }
    }

    #[test]
    fn http_dates_are_the_same_moment() {
        assert_eq!(Stamp::parse_http("Fri, 24 May 2013 00:00:00 GMT"), Stamp::parse("20130524T000000Z"));
        assert_eq!(Stamp::parse_http("yesterday"), None);
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20130524 000000Z",
            "20131324T000000Z",
            "20130500T000000Z",
            "20130524T240000Z",
            "+0130524T000000Z",
            "19691231T000000Z",
            "20130524T000000ZZ",
        ] {
            assert_eq!(Stamp::parse(bad), None, "{bad}");
        }
    }
}
