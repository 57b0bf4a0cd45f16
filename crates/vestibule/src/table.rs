//! [`Table`]: rows for people, in columns that line up and fit the terminal. Not for machines: those ask for JSON.

use crate::terminal::escaped;

/// Between two columns.
const GAP: &str = "  ";
/// A column is not made narrower than this.
const NARROWEST: usize = 8;

/// On which side the padding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
    /// Words that may be cut when the terminal is too narrow.
    LeftCut,
}

/// A heading and rows of as many cells.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells are escaped here, so no caller can forget it.
    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row has one cell per column");
        self.rows.push(cells.iter().map(|cell| escaped(cell).into_owned()).collect());
    }

    /// The whole table, one line per row, no blanks at line ends. `None` for a width cuts nothing.
    pub(crate) fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let cells = row.iter().zip(&self.columns).zip(&widths);
            let line: Vec<String> = cells.map(|((cell, (_, align)), width)| fit(cell, *align, *width)).collect();
            text.push_str(line.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }

    /// The natural widths; when they do not fit, the widest column that may be cut gives way first.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let natural = |(index, (title, _)): (usize, &(&'static str, Align))| {
            let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            cells.chain([title.len()]).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(natural).collect();
        let Some(limit) = limit else { return widths };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
        while excess > 0 {
            let cuttable = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(width, (_, align))| *align == Align::LeftCut && **width > NARROWEST);
            let Some((widest, _)) = cuttable.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}

fn fit(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Right => format!("{cell:>width$}"),
        Align::LeftCut if cell.chars().count() > width => {
            let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
            format!("{kept}…")
        }
        Align::Left | Align::LeftCut => format!("{cell:<width$}"),
    }
}

/// The first few of a list, and how many more there are.
pub(crate) fn abbreviated(items: &[String], shown: usize) -> String {
    let mut text = items.iter().take(shown).map(String::as_str).collect::<Vec<_>>().join(", ");
    if let Some(more) = items.len().checked_sub(shown).filter(|more| *more > 0) {
        text.push_str(&format!(" +{more}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new(&[("SITE", Align::Left), ("HOSTS", Align::LeftCut), ("REQUESTS", Align::Right)]);
        table.push(["blog.yaml".into(), "blog.example.com, www.example.com".into(), "7".into()]);
        table.push(["shop\u{1b}.yaml".into(), "shop.example.com".into(), "12345".into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        let expected = "\
SITE             HOSTS                              REQUESTS
blog.yaml        blog.example.com, www.example.com         7
shop\\u{1b}.yaml  shop.example.com                      12345
";
        assert_eq!(sample().render(None), expected);
    }

    #[test]
    fn the_widest_column_that_may_be_cut_gives_way() {
        let expected = "\
SITE             HOSTS          REQUESTS
blog.yaml        blog.example…         7
shop\\u{1b}.yaml  shop.example…     12345
";
        let shown = sample().render(Some(40));
        assert_eq!(shown, expected);
        assert!(shown.lines().all(|line| line.chars().count() <= 40));
    }

    #[test]
    fn a_terminal_too_narrow_for_anything_still_gets_the_table() {
        assert_eq!(sample().render(Some(1)).lines().count(), 3);
    }

    #[test]
    fn a_long_list_says_how_much_more_there_is() {
        let list = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(abbreviated(&list(0), 2), "");
        assert_eq!(abbreviated(&list(2), 2), "1, 2");
        assert_eq!(abbreviated(&list(5), 2), "1, 2 +3");
    }
}
