//! [`Drawing`]: the floors, arrows and homes as ARCHITECTURE.md draws them, in tables between marker comments.

use std::collections::BTreeMap;

use crate::Outcome;

/// Everything the document says of crates.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    /// On which floor each crate stands.
    pub(super) floors: BTreeMap<String, Floor>,
    /// Which crates of ours each may use.
    pub(super) arrows: BTreeMap<String, Vec<String>>,
    /// Where each crate of others may be used.
    pub(super) homes: BTreeMap<String, Homes>,
}

/// How high a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// In the house: the ground is 0.
    Number(u8),
    /// Beside it: tests and automation.
    Side,
}

impl Floor {
    /// Arrows of the house point strictly down; what stands beside it may point at anything.
    pub(super) fn may_reach(self, other: Self) -> bool {
        match (self, other) {
            (Self::Number(upper), Self::Number(lower)) => lower < upper,
            (Self::Number(_), Self::Side) => false,
            (Self::Side, _) => true,
        }
    }
}

/// Where a crate of others may be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Homes {
    /// Everywhere.
    Any,
    /// In these.
    Crates(Vec<String>),
}

impl Drawing {
    /// Reads the three tables.
    pub(super) fn read(document: &str) -> Outcome<Self> {
        let mut drawing = Self::default();
        for row in table(document, "floors")? {
            let floor = match row.cell(0)?.split_whitespace().next() {
                Some("side") => Floor::Side,
                Some(number) => Floor::Number(number.parse().map_err(|_| format!("`{number}` is no floor"))?),
                None => return Err("a row of the floors names no floor".into()),
            };
            drawing.floors.insert(row.name(1)?, floor);
        }
        for row in table(document, "arrows")? {
            drawing.arrows.insert(row.name(0)?, names(row.cell(1)?));
        }
        for row in table(document, "homes")? {
            let homes = row.cell(1)?;
            let homes = if homes == "any" { Homes::Any } else { Homes::Crates(names(homes)) };
            drawing.homes.insert(row.name(0)?, homes);
        }
        Ok(drawing)
    }

    /// Is it a crate of the house itself?
    pub(super) fn is_floor(&self, name: &str) -> bool {
        matches!(self.floors.get(name), Some(Floor::Number(_)))
    }
}

/// One row of a table.
struct Row<'a>(Vec<&'a str>);

impl<'a> Row<'a> {
    fn cell(&self, index: usize) -> Outcome<&'a str> {
        self.0.get(index).copied().ok_or_else(|| format!("row `{}` is too short", self.0.join(" | ")).into())
    }

    /// The one name in a cell.
    fn name(&self, index: usize) -> Outcome<String> {
        match names(self.cell(index)?).as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(format!("row `{}` needs one `name`", self.0.join(" | ")).into()),
        }
    }
}

/// The rows between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, without head and ruler.
fn table<'a>(document: &'a str, name: &str) -> Outcome<Vec<Row<'a>>> {
    let (_, rest) =
        document.split_once(&format!("<!-- {name}:begin -->")).ok_or(format!("no `{name}:begin` marker"))?;
    let (table, _) = rest.split_once(&format!("<!-- {name}:end -->")).ok_or(format!("no `{name}:end` marker"))?;
    let lines = table.lines().map(str::trim).filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<_> = lines.map(|line| Row(line.trim_matches('|').split('|').map(str::trim).collect())).collect();
    if rows.is_empty() { Err(format!("the table `{name}` is empty").into()) } else { Ok(rows) }
}

/// What stands in `backticks`.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
