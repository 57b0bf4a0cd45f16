//! The known word nearest to what was written.

/// Words longer than this are never compared: nobody mistypes a key into that.
const WORD_LIMIT: usize = 64;

/// The known word nearest to what was written, if one is near enough to be meant (Damerau-Levenshtein).
///
/// Near enough is a third of the length, at least one and at most three edits. Letter case and the difference
/// between `-` and `_` cost nothing.
///
/// ```
/// # use vestibule_diagnostics::nearest;
/// assert_eq!(nearest("upstram", ["hosts", "upstream"]), Some("upstream"));
/// assert_eq!(nearest("colour", ["hosts", "upstream"]), None);
/// ```
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = folded(written)?;
    let within = (written.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|word| Some((distance(&written, &folded(word)?), word)))
        .filter(|(edits, _)| *edits <= within)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, word)| word)
}

/// Characters for comparison; `None` for a text that is no word.
fn folded(word: &str) -> Option<Vec<char>> {
    if word.len() > WORD_LIMIT {
        return None;
    }
    Some(word.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect())
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other (optimal string
/// alignment).
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, &b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["hosts", "upstream", "redirect_to_https", "tls", "canonical"];
        for (written, expected) in [
            ("host", Some("hosts")),
            ("Hosts", Some("hosts")),
            ("upstram", Some("upstream")),
            ("upsrteam", Some("upstream")),
            ("redirect-to-https", Some("redirect_to_https")),
            ("tsl", Some("tls")),
            ("canonic", Some("canonical")),
            ("backend", None),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), expected, "{written:?}");
        }
    }

    #[test]
    fn the_nearest_wins_and_a_long_word_costs_nothing() {
        assert_eq!(nearest("ab", ["abc", "ab"]), Some("ab"));
        assert_eq!(nearest(&"a".repeat(1_000_000), ["aaaa"]), None);
    }
}
