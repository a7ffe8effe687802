//! How long a token shall live, as people write it: `90s`, `10m`, `12h`, `90d`.

use std::str::FromStr;

use thiserror::Error;

/// A life time in whole milliseconds. Its range is the server's to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ttl(i64);

/// The text is no life time.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a time: write a whole number and one of s, m, h, d, for example 10m")]
pub(crate) struct TtlError(String);

impl Ttl {
    /// Whole milliseconds.
    pub(crate) const fn as_millis(self) -> i64 {
        self.0
    }
}

impl FromStr for Ttl {
    type Err = TtlError;

    fn from_str(text: &str) -> Result<Self, TtlError> {
        let refuse = || TtlError(text.to_owned());
        let unit = text.chars().last().ok_or_else(refuse)?;
        let seconds: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(refuse()),
        };
        let number = text.strip_suffix(unit).ok_or_else(refuse)?;
        if number.is_empty() || !number.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(refuse());
        }
        let number: i64 = number.parse().map_err(|_| refuse())?;
        number.checked_mul(seconds * 1_000).map(Self).ok_or_else(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_milliseconds() {
        for (text, milliseconds) in
            [("1s", 1_000), ("10m", 600_000), ("2h", 7_200_000), ("90d", 7_776_000_000)]
        {
            assert_eq!(text.parse(), Ok(Ttl(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "10", "m", "-1m", "+1m", "1.5h", "1h30m", "10 m", "10µ", "99999999999999999d"] {
            let error = text.parse::<Ttl>().expect_err(text);
            assert!(error.to_string().contains("for example 10m"), "{text}");
        }
    }
}
