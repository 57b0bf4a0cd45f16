//! Numbers, durations and sizes, within the ranges of their tables.

use std::time::Duration;

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{
    ByteSize,
    quantity::{format_duration, parse_duration},
};

use super::{fields::Field, values::Scalar};
use crate::{findings::Findings, schema::table::Shape};

impl Field<'_> {
    /// A whole number.
    pub(crate) fn number<N: TryFrom<u64>>(&self, findings: &mut Findings) -> Option<N> {
        let Shape::Number { least, most } = self.key.shape else {
            debug_assert!(false, "{} is a number in its table", self.key.name);
            return None;
        };
        let scalar = self.scalar(findings)?;
        if scalar.quoted || !scalar.is_digits() {
            let message = format!("{} takes {}, not {}", self.name(), self.key.shape, scalar.quoted());
            let mut finding = scalar.finding(catalogue::WRONG_TYPE, message, "not a whole number");
            if scalar.is_digits() {
                finding = finding.help("write it without quotes");
            }
            findings.push(finding);
            return None;
        }
        // More digits than u64 holds are beyond every range.
        let value = scalar.text.parse().unwrap_or(u64::MAX);
        let value = within(value, least, most, |n| n.to_string(), &scalar, self, findings)?;
        N::try_from(value).ok()
    }

    /// A duration with its unit.
    pub(crate) fn duration(&self, findings: &mut Findings) -> Option<Duration> {
        let Shape::Duration { least, most } = self.key.shape else {
            debug_assert!(false, "{} is a duration in its table", self.key.name);
            return None;
        };
        let scalar = self.scalar(findings)?;
        match parse_duration(scalar.text) {
            Ok(value) => within(value, least, most, format_duration, &scalar, self, findings),
            Err(error) => {
                findings.push(scalar.is_not(catalogue::BAD_VALUE, "a duration", &error));
                None
            }
        }
    }

    /// A number of bytes.
    pub(crate) fn size(&self, findings: &mut Findings) -> Option<ByteSize> {
        let (Shape::Size { least, most } | Shape::SizeOrNone { least, most }) = self.key.shape else {
            debug_assert!(false, "{} is a size in its table", self.key.name);
            return None;
        };
        let scalar = self.scalar(findings)?;
        match ByteSize::parse(scalar.text) {
            Ok(value) => {
                within(value, ByteSize(least), ByteSize(most), |size| size.to_string(), &scalar, self, findings)
            }
            Err(error) => {
                findings.push(scalar.is_not(catalogue::BAD_VALUE, "a size", &error));
                None
            }
        }
    }

    /// A number of bytes, or `none` for no limit at all; the outer `None` is an error.
    pub(crate) fn size_or_none(&self, findings: &mut Findings) -> Option<Option<ByteSize>> {
        debug_assert!(matches!(self.key.shape, Shape::SizeOrNone { .. }));
        if self.scalar(findings)?.text == "none" { Some(None) } else { self.size(findings).map(Some) }
    }
}

/// The value, if it is in its range.
fn within<T: PartialOrd + Copy>(
    value: T,
    least: T,
    most: T,
    written: impl Fn(T) -> String,
    scalar: &Scalar<'_>,
    field: &Field<'_>,
    findings: &mut Findings,
) -> Option<T> {
    let bound = if value < least {
        format!("the least is {}", written(least))
    } else if value > most {
        format!("the most is {}", written(most))
    } else {
        return Some(value);
    };
    let message = format!("{} cannot be {}", field.name(), scalar.quoted());
    findings.push(Diagnostic::new(catalogue::OUT_OF_RANGE, message).at(scalar.span, bound));
    None
}
