//! Plots: for each workload one SVG of plain bars, legible on light and on dark paper, without scripts.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    figures::{CPU, Figure, P99, PER_CONNECTION, RESIDENT},
    peer::Peer,
    table::{Results, Row},
};

/// What people would rather look at; those that a workload does not tell are left out.
static SHOWN: [&Figure; 4] = [&CPU, &P99, &PER_CONNECTION, &RESIDENT];

const WIDTH: u32 = 640;
const MARGIN: u32 = 16;
/// Where the bars begin, right of the names.
const LEFT: u32 = 110;
/// The longest bar; the figure is written right of it.
const LONGEST: f64 = 400.0;
const LINE: u32 = 22;

const STYLE: &str = "<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.paper { fill: #ffffff }
.bar { fill: #9aa4ae }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .paper { fill: #0d1117 }
  .bar { fill: #57606a }
  .ours { fill: #4493f8 }
}
</style>
";

/// Writes `WORKLOAD.svg` for each row, and says where.
pub(super) fn write(results: &Results, dir: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(dir)?;
    let plot = |row: &Row| {
        let path = dir.join(format!("{}.svg", row.name()));
        fs::write(&path, draw(row))?;
        Ok(path)
    };
    results.rows.iter().map(plot).collect()
}

/// One workload: a panel for each figure.
fn draw(row: &Row) -> String {
    let mut panels = String::new();
    let mut y = MARGIN + LINE;
    for figure in SHOWN {
        y = panel(&mut panels, row, figure, y);
    }
    let title = escaped(&row.title);
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">
{STYLE}<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>
<text class=\"title\" x=\"{MARGIN}\" y=\"{first}\">{title}</text>
{panels}</svg>
",
        first = MARGIN + 10,
    )
}

/// A bar for each proxy from `y` on; gives where the next panel begins.
fn panel(to: &mut String, row: &Row, figure: &Figure, mut y: u32) -> u32 {
    let values = row.peers.iter().filter_map(|entry| figure.of(&entry.figures));
    let Some(most) = values.reduce(f64::max) else { return y };
    y += LINE;
    // Writing to a string does not fail.
    let _ = writeln!(to, "<text x=\"{MARGIN}\" y=\"{y}\">{} (less is better)</text>", escaped(figure.title));
    for entry in &row.peers {
        y += LINE;
        let _ = writeln!(to, "<text x=\"{MARGIN}\" y=\"{y}\">{}</text>", entry.peer.name());
        let (length, text) = match (&entry.failed, figure.of(&entry.figures)) {
            (None, Some(value)) => (LONGEST * value / most.max(f64::MIN_POSITIVE), figure.shown(value)),
            (Some(_), _) => (0.0, "failed".to_owned()),
            (None, None) => (0.0, "-".to_owned()),
        };
        let class = if entry.peer == Peer::Vestibule { "ours" } else { "bar" };
        let (top, after) = (y - 12, f64::from(LEFT) + length + 8.0);
        let _ = writeln!(
            to,
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"15\"/>\
             <text x=\"{after:.1}\" y=\"{y}\">{text}</text>"
        );
    }
    y + LINE / 2
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::peers::{
        cell::{Cell, Sample},
        config::Terms,
        workload::Workload,
    };

    #[test]
    fn every_proxy_has_a_bar_in_proportion() {
        let cell = |round: Result<f64, &str>| {
            let mut cell = Cell::default();
            let sample = |cpu| Sample { cpu_us_per_request: Some(cpu), ..Sample::default() };
            cell.add(round.map(sample).map_err(str::to_owned));
            cell
        };
        let cells = [
            (Peer::Vestibule, cell(Ok(10.0))),
            (Peer::Nginx, cell(Ok(20.0))),
            (Peer::Caddy, cell(Err("<not> \"installed\""))),
        ];
        let svg = draw(&Row::new(Workload::H1, Terms::Load, BTreeMap::from(cells)));
        assert!(svg.contains("class=\"ours\" x=\"110\" y=\"70\" width=\"200.0\""), "{svg}");
        assert!(svg.contains("class=\"bar\" x=\"110\" y=\"92\" width=\"400.0\""), "{svg}");
        assert_eq!(svg.matches(">failed<").count(), 1, "{svg}");
        // Only one figure was told: one panel. Nothing of what failed gets into the markup.
        assert_eq!((svg.matches("less is better").count(), svg.contains("installed")), (1, false));
    }
}
