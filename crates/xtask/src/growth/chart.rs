//! The growth as a plot: CPU an account to the left, bytes an account to the right, by size.

use std::{fs, path::Path};

use anyhow::Context as _;
use plotters::prelude::*;

use super::{
    Grown,
    step::{Empty, Step},
    table::bytes_per_account,
};
use crate::{
    figures::{as_f64, number},
    plot::{self, Area, COLOURS, DOT_PX, GRID, INK, TEXT_PX, TITLE_PX, text},
};

const SIZE_PX: (u32, u32) = (1000, 420);
const LEGEND_PX: u32 = 26;
/// Left of the plot itself: margin and labels.
const LABELS_PX: u32 = 52;
const MARGIN_PX: u32 = 14;

/// A line of a panel: its name, and its value at a size.
type Line<'l> = (&'static str, &'l dyn Fn(&Step) -> f64);

pub(super) fn write(grown: &Grown, path: &Path) -> anyhow::Result<()> {
    let svg = svg(grown)?;
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn svg(grown: &Grown) -> anyhow::Result<String> {
    let Empty {
        resident_bytes,
        disk_bytes,
    } = grown.empty;
    plot::svg(SIZE_PX, |area| {
        let (left, right) = area.split_horizontally(SIZE_PX.0 / 2);
        panel(
            &left,
            "server's CPU, µs an account",
            &grown.steps,
            &[
                ("new", &|step| step.new.server_cpu_us_per_account),
                ("again, changed", &|step| {
                    step.changed.server_cpu_us_per_account
                }),
                ("again, unchanged", &|step| {
                    step.unchanged.server_cpu_us_per_account
                }),
                ("check", &|step| step.check.server_cpu_us_per_account),
            ],
        )?;
        panel(
            &right,
            "bytes an account",
            &grown.steps,
            &[
                ("memory after imports", &|step| {
                    bytes_per_account(step, step.resident_bytes, resident_bytes)
                }),
                ("memory after a start", &|step| {
                    bytes_per_account(step, step.resident_bytes_after_start, resident_bytes)
                }),
                ("on disk", &|step| {
                    bytes_per_account(step, step.disk_bytes, disk_bytes)
                }),
            ],
        )
    })
}

fn panel(area: &Area<'_>, title: &str, steps: &[Step], lines: &[Line<'_>]) -> anyhow::Result<()> {
    let size = |step: &Step| as_f64(step.accounts);
    let values = lines.iter().flat_map(|(_, value)| steps.iter().map(value));
    let x_range = plot::log_range(steps.iter().map(size));
    let (title_area, rest) = area.split_vertically(LEGEND_PX + TITLE_PX);
    let (legend_area, plot_area) = rest.split_vertically(LEGEND_PX);
    let left_px = i32::try_from(MARGIN_PX + LABELS_PX)?;
    title_area.draw(&Text::new(title, (left_px, 14), text(TITLE_PX)))?;
    plot::legend(&legend_area, left_px, lines.iter().map(|(name, _)| *name))?;
    let mut chart = ChartBuilder::on(&plot_area)
        .margin(MARGIN_PX)
        .x_label_area_size(44)
        .y_label_area_size(LABELS_PX)
        .build_cartesian_2d(x_range.log_scale(), plot::range(values))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(text(TEXT_PX))
        .x_desc("accounts")
        .x_label_formatter(&|x| plot::log_label(*x))
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    for ((_, value), colour) in lines.iter().zip(COLOURS) {
        let points = || steps.iter().map(|step| (size(step), value(step)));
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        chart.draw_series(points().map(|point| Circle::new(point, DOT_PX, colour.filled())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::grown, *};

    #[test]
    fn a_line_for_each_cost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plot.svg");
        let grown = grown();
        write(&grown, &path).unwrap();
        let svg = fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg"), "{svg}");
        for expected in [
            "µs an account",
            "bytes an account",
            "again, unchanged",
            "check",
            "memory after a start",
            "on disk",
        ] {
            assert!(svg.contains(expected), "{expected}\n{svg}");
        }
        // Seven lines with a dot for each size and one in the legend.
        let dots = svg.matches("<circle").count();
        assert_eq!(dots, 7 * (grown.steps.len() + 1));
    }

    #[test]
    fn the_first_size_is_a_plot_too() {
        let mut grown = grown();
        grown.steps.truncate(1);
        svg(&grown).unwrap();
    }
}
