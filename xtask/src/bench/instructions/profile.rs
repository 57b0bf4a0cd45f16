//! [`Profile`]: what callgrind wrote of one thread: how many instructions each function took itself, without those it
//! called. The format is described in the manual of valgrind, "Callgrind Format Specification".

use std::collections::BTreeMap;

/// Instructions by function.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile(BTreeMap<Function, u64>);

/// A function, and the file of the program it is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Function {
    pub(super) object: String,
    pub(super) name: String,
}

impl Profile {
    /// Reads what there is; what is no line of the format counts for nothing.
    pub(super) fn parse(text: &str) -> Self {
        let (mut objects, mut names) = (Names::default(), Names::default());
        let mut counts = BTreeMap::new();
        let mut current = Function::default();
        let mut is_of_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("ob=") {
                current.object = objects.resolve(name);
            } else if let Some(name) = line.strip_prefix("fn=") {
                current.name = names.resolve(name);
            } else if let Some(name) = line.strip_prefix("cob=") {
                objects.resolve(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                names.resolve(name);
            } else if line.starts_with("calls=") {
                // The next line is what the called function took.
                is_of_call = true;
            } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                let count = line.split_whitespace().nth(1).and_then(|count| count.parse::<u64>().ok());
                if !std::mem::take(&mut is_of_call) {
                    *counts.entry(current.clone()).or_default() += count.unwrap_or_default();
                }
            }
        }
        Self(counts)
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Function, u64)> {
        self.0.iter().map(|(function, count)| (function, *count))
    }
}

/// Names are written once, `(7) name`, and from then on as `(7)`.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn resolve(&mut self, text: &str) -> String {
        let (id, name) = text.split_once(' ').unwrap_or((text, ""));
        if name.is_empty() {
            return self.0.get(id).cloned().unwrap_or_default();
        }
        self.0.insert(id.to_owned(), name.to_owned());
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_called_function_took_is_not_the_callers() {
        let text = "events: Ir\nob=(1) /bin/gateway\nfl=(1) a.rs\nfn=(1) walk\n0 10\n\
                    cob=(2) /lib/libc.so\ncfn=(2) memcpy\ncalls=3 0\n0 600\n+0 5\n\n\
                    ob=(2)\nfn=(2)\n0 600\n\nob=(1)\nfn=(1)\n* 1\ntotals: 616\n";
        let profile = Profile::parse(text);
        let counts: Vec<_> = profile.iter().map(|(at, count)| (at.object.as_str(), at.name.as_str(), count)).collect();
        assert_eq!(counts, [("/bin/gateway", "walk", 16), ("/lib/libc.so", "memcpy", 600)]);
        assert_eq!(profile.total(), 616);
    }

    #[test]
    fn anything_else_counts_for_nothing() {
        assert_eq!(Profile::parse("").total(), 0);
        assert_eq!(Profile::parse("0\n0 x\nfn=(9)\ncalls=\n0 7\n").total(), 0);
    }
}
