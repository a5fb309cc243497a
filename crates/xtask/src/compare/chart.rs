//! The comparison as a plot: each system on a line, accounts a second to the left, CPU to the right.

use std::{fs, path::Path};

use anyhow::Context as _;
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{
    Comparison, Row,
    phase::{Figures, Phase},
    table::spread,
};
use crate::{
    figures::grouped,
    plot::{self, Area, COLOURS, DOT_PX, GRID, INK, TEXT_PX, TITLE_PX, text},
};

const WIDTH_PX: u32 = 1000;
const ROW_PX: u32 = 44;
/// Above and below the rows: title, legend, axis.
const FRAME_PX: u32 = 130;
const NAMES_PX: u32 = 180;
const LEGEND_PX: u32 = 36;

pub(super) fn write(comparison: &Comparison, path: &Path) -> anyhow::Result<()> {
    let svg = svg(comparison)?;
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn svg(comparison: &Comparison) -> anyhow::Result<String> {
    let rows = comparison.rows.iter();
    let rows: Vec<&Row> = rows
        .filter(|row| !row.outdone && !row.runs.is_empty())
        .collect();
    let height_px = FRAME_PX + ROW_PX * u32::try_from(rows.len())?;
    plot::svg((WIDTH_PX, height_px), |area| {
        let (top, panels) = area.split_vertically(LEGEND_PX);
        let phases = Phase::ALL.into_iter().map(Phase::title);
        plot::legend(&top, i32::try_from(NAMES_PX)?, phases)?;
        let (left, right) = panels.split_horizontally(NAMES_PX + (WIDTH_PX - NAMES_PX) / 2);
        panel(
            &left,
            "accounts a second (more is better)",
            &rows,
            |figures| figures.accounts_per_s,
            true,
        )?;
        panel(
            &right,
            "server's CPU, µs an account (less is better)",
            &rows,
            |figures| figures.server_cpu_us_per_account,
            false,
        )
    })
}

fn panel(
    area: &Area<'_>,
    title: &str,
    rows: &[&Row],
    figure: fn(&Figures) -> f64,
    with_names: bool,
) -> anyhow::Result<()> {
    let all = |row: &Row| Phase::ALL.map(|phase| spread(row, phase, figure));
    let values = rows.iter().flat_map(|row| all(row)).flatten();
    let x_range = plot::log_range(values.map(|spread| spread.median));
    let first_x = x_range.start;
    let lines = u32::try_from(rows.len())?;
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(TITLE_PX))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(if with_names { NAMES_PX } else { 12 })
        .build_cartesian_2d(x_range.log_scale(), 0.0..f64::from(lines))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(TEXT_PX))
        .x_label_formatter(&|x| plot::log_label(*x))
        .draw()?;
    for (row, below) in rows.iter().zip((0..lines).rev()) {
        let y = f64::from(below) + 0.5;
        if with_names {
            let name = format!("{}, {}", row.name, grouped(row.batch as u64));
            let (x, y) = chart.backend_coord(&(first_x, y));
            let style = text(TEXT_PX).pos(Pos::new(HPos::Right, VPos::Center));
            // From the corner of the whole plot to that of this part of it.
            let corner = area.get_base_pixel();
            area.draw(&Text::new(name, (x - corner.0 - 10, y - corner.1), style))?;
        }
        let spreads = all(row).into_iter().zip(COLOURS);
        for (offset, (spread, colour)) in [0.2, 0.0, -0.2].into_iter().zip(spreads) {
            let Some(spread) = spread else { continue };
            let y = y + offset;
            let range = [(spread.least, y), (spread.most, y)];
            chart.draw_series([PathElement::new(range, colour.stroke_width(2))])?;
            let dot = Circle::new((spread.median, y), DOT_PX, colour.filled());
            chart.draw_series([dot])?;
        }
    }
    chart.draw_series([PathElement::new(
        [(first_x, 0.0), (first_x, f64::from(lines))],
        INK,
    )])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::comparison, *};

    #[test]
    fn a_line_for_each_system_that_was_measured() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plot.svg");
        write(&comparison(), &path).unwrap();
        let svg = fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg"), "{svg}");
        for expected in [
            "bare limit, 100",
            "muster 0.1.0, 100",
            "PostgreSQL 15.18, 1,000",
            "accounts a second",
            "µs an account",
            "New accounts",
        ] {
            assert!(svg.contains(expected), "{expected}\n{svg}");
        }
        assert!(!svg.contains("Redis"), "{svg}");
        assert!(!svg.contains("PostgreSQL 15.18, 5,000"), "{svg}");
        // A dot for each phase of each of four systems in both panels, and three of the legend.
        assert_eq!(svg.matches("<circle").count(), 4 * 3 * 2 + 3);
    }

    #[test]
    fn nothing_measured_is_a_plot_too() {
        let mut comparison = comparison();
        comparison.rows.clear();
        svg(&comparison).unwrap();
    }
}
