//! Quantities as people write them: `10s`, `64KiB`.

use std::{fmt, str::FromStr, time::Duration};

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

/// The longest duration that [`parse_duration`] takes: what is longer is a mistake, and could overflow a clock.
pub const DURATION_LIMIT: Duration = Duration::from_secs(3650 * 86_400);

/// Why a text is no quantity, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Nothing was written.
    #[error("the value is empty: write a number and a unit")]
    Empty,
    /// No digits where they must be; also signs and fractions.
    #[error("{0:?} does not begin with a whole number: write digits and a unit, without sign or fraction")]
    NotANumber(String),
    /// `10` for a duration.
    #[error("the unit is missing: write {0}s for seconds or {0}ms for milliseconds")]
    MissingUnit(String),
    /// `10sec`.
    #[error("{0:?} is no unit of time: write ms, s, m, h or d")]
    UnknownTimeUnit(String),
    /// `10KBit`.
    #[error("{0:?} is no unit of size: write KiB, MiB, GiB, TiB (or KB, MB, GB, TB for powers of ten)")]
    UnknownSizeUnit(String),
    /// `30s1m`, `1m2m`.
    #[error("the units are not from large to small: write each once, as in 1h30m")]
    UnitOrder,
    /// Beyond 64 bits, or beyond [`DURATION_LIMIT`].
    #[error("the value is too large: write at most {0}")]
    TooLarge(&'static str),
}

/// Binary units, largest first, as [`ByteSize`] is written.
const BINARY_UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Units of time in milliseconds, largest first.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl ByteSize {
    /// Parses `1024`, `64KiB`, `10MiB`, `1GiB`, `10MB`, `64k` (binary for `k`, `m`, `g`, `t`), case-insensitive; a blank may
    /// stand before the unit.
    ///
    /// # Errors
    /// For fractions, signs, unknown units, and what 64 bits do not hold.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (digits, unit) = split_number(text)?;
        let factor: u64 = match unit.trim_start_matches(' ').to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "t" | "tib" => 1 << 40,
            "kb" => 1000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            _ => return Err(QuantityError::UnknownSizeUnit(unit.to_owned())),
        };
        let too_large = QuantityError::TooLarge("16777215TiB");
        let number = digits.parse::<u64>().map_err(|_| too_large.clone())?;
        number.checked_mul(factor).map(Self).ok_or(too_large)
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
/// The largest binary unit that loses nothing: `64KiB`, `1500`. [`ByteSize::parse`] reads it back.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY_UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => f.pad(&format!("{}{unit}", self.0 / factor)),
            None => self.0.fmt(f),
        }
    }
}

/// Parses `250ms`, `10s`, `5m`, `2h`, `1d`, or sums such as `1m30s`. A bare number is refused: its unit is a guess.
///
/// # Errors
/// For missing, unknown or disordered units and beyond [`DURATION_LIMIT`].
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    const TOO_LARGE: QuantityError = QuantityError::TooLarge("3650d");
    let mut units = TIME_UNITS.iter();
    let mut milliseconds: u64 = 0;
    let mut rest = text;
    loop {
        let (digits, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit = unit.trim_matches(' ');
        if unit.is_empty() {
            return Err(QuantityError::MissingUnit(digits.to_owned()));
        }
        if !TIME_UNITS.iter().any(|(known, _)| unit.eq_ignore_ascii_case(known)) {
            return Err(QuantityError::UnknownTimeUnit(unit.to_owned()));
        }
        // Taking from the iterator is what makes a unit come once and in order.
        let (_, factor) = units.find(|(known, _)| unit.eq_ignore_ascii_case(known)).ok_or(QuantityError::UnitOrder)?;
        let number = digits.parse::<u64>().map_err(|_| TOO_LARGE)?;
        let part = number.checked_mul(*factor).ok_or(TOO_LARGE)?;
        milliseconds = milliseconds.checked_add(part).ok_or(TOO_LARGE)?;
        if next.is_empty() {
            break;
        }
        rest = next;
    }
    Some(Duration::from_millis(milliseconds)).filter(|duration| *duration <= DURATION_LIMIT).ok_or(TOO_LARGE)
}

/// Writes a duration so that [`parse_duration`] reads it back, rounded down to whole milliseconds.
pub fn format_duration(value: Duration) -> String {
    let mut left = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, factor) in TIME_UNITS {
        if left >= factor {
            text.push_str(&format!("{}{unit}", left / factor));
            left %= factor;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// The digits at the front, and what follows them.
fn split_number(text: &str) -> Result<(&str, &str), QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Empty);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let fraction = text[end..].starts_with(['.', ',']);
    if end == 0 || fraction { Err(QuantityError::NotANumber(text.to_owned())) } else { Ok(text.split_at(end)) }
}

#[cfg(test)]
mod tests {
    use super::{QuantityError as E, *};
    use crate::arbitrary::Arbitrary;

    #[test]
    fn sizes() {
        for (input, bytes, written) in [
            ("0", 0, "0"),
            ("1024", 1024, "1KiB"),
            ("1500", 1500, "1500"),
            ("64KiB", 65_536, "64KiB"),
            ("64k", 65_536, "64KiB"),
            ("64 kib", 65_536, "64KiB"),
            ("10MB", 10_000_000, "10000000"),
            ("10MiB", 10 << 20, "10MiB"),
            ("1g", 1 << 30, "1GiB"),
            ("2TiB", 2 << 40, "2TiB"),
            ("18446744073709551615", u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(ByteSize::parse(input), Ok(ByteSize(bytes)), "{input}");
            assert_eq!(ByteSize(bytes).to_string(), written);
            assert_eq!(written.parse(), Ok(ByteSize(bytes)));
        }
        for (input, expected) in [
            ("", E::Empty),
            ("KiB", E::NotANumber("KiB".into())),
            ("-1", E::NotANumber("-1".into())),
            ("1.5GiB", E::NotANumber("1.5GiB".into())),
            ("10Kbit", E::UnknownSizeUnit("Kbit".into())),
            ("18446744073709551616", E::TooLarge("16777215TiB")),
            ("99999999TiB", E::TooLarge("16777215TiB")),
        ] {
            assert_eq!(ByteSize::parse(input), Err(expected), "{input}");
        }
    }

    #[test]
    fn durations() {
        for (input, milliseconds, written) in [
            ("250ms", 250, "250ms"),
            ("10s", 10_000, "10s"),
            ("90s", 90_000, "1m30s"),
            ("1m30s", 90_000, "1m30s"),
            ("1m 30s", 90_000, "1m30s"),
            ("5M", 300_000, "5m"),
            ("1d2h3m4s5ms", 93_784_005, "1d2h3m4s5ms"),
            ("0s", 0, "0s"),
            ("3650d", 315_360_000_000, "3650d"),
        ] {
            assert_eq!(parse_duration(input), Ok(Duration::from_millis(milliseconds)), "{input}");
            assert_eq!(format_duration(Duration::from_millis(milliseconds)), written);
        }
        for (input, expected) in [
            ("", E::Empty),
            ("10", E::MissingUnit("10".into())),
            ("1m30", E::MissingUnit("30".into())),
            ("s", E::NotANumber("s".into())),
            ("1.5s", E::NotANumber("1.5s".into())),
            ("10sec", E::UnknownTimeUnit("sec".into())),
            ("30s1m", E::UnitOrder),
            ("1s1s", E::UnitOrder),
            ("3651d", E::TooLarge("3650d")),
            ("99999999999999999999s", E::TooLarge("3650d")),
            ("99999999999999999d", E::TooLarge("3650d")),
        ] {
            assert_eq!(parse_duration(input), Err(expected), "{input}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_panics() {
        let mut arbitrary = Arbitrary::new(6);
        for _ in 0..20_000 {
            let text = arbitrary.text("0123456789smhdkKiBg .-ü");
            if let Ok(size) = ByteSize::parse(&text) {
                assert_eq!(size.to_string().parse(), Ok(size), "{text:?}");
            }
            if let Ok(duration) = parse_duration(&text) {
                assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{text:?}");
            }
        }
    }
}
