//! Plots as SVG: a white ground of their own, so that they read well on a page of any colour, and
//! colours that differ in brightness too.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::figures::short;

pub(crate) const INK: RGBColor = RGBColor(0x22, 0x26, 0x2b);
pub(crate) const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe5);

/// Of the palette by Okabe and Ito, which colour-blind people can tell apart.
pub(crate) const COLOURS: [RGBColor; 4] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
];

pub(crate) const FONT: &str = "sans-serif";
pub(crate) const TEXT_PX: u32 = 13;
pub(crate) const TITLE_PX: u32 = 15;
pub(crate) const DOT_PX: i32 = 6;

/// What is drawn on.
pub(crate) type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// Draws a plot of this width and height, in pixels.
pub(crate) fn svg(
    size_px: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size_px).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
    }
    Ok(svg)
}

/// A text style of this size.
pub(crate) fn text(px: u32) -> TextStyle<'static> {
    (FONT, px).into_font().color(&INK)
}

/// Dots of the colours with a name beside each, in one line from `x_px` on.
pub(crate) fn legend(
    area: &Area<'_>,
    x_px: i32,
    names: impl Iterator<Item = &'static str>,
) -> anyhow::Result<()> {
    let style = text(TEXT_PX).pos(Pos::new(HPos::Left, VPos::Center));
    let y = i32::try_from(area.dim_in_pixel().1)? / 2;
    let mut x = x_px + DOT_PX;
    for (name, colour) in names.zip(COLOURS) {
        area.draw(&Circle::new((x, y), DOT_PX, colour.filled()))?;
        x += 2 * DOT_PX;
        area.draw(&Text::new(name, (x, y), style.clone()))?;
        x += i32::try_from(area.estimate_text_size(name, &style)?.0)? + 6 * DOT_PX;
    }
    Ok(())
}

/// The label of a line of a logarithmic scale: of those between two powers of ten, only 2 and 5 have
/// room for one.
pub(crate) fn log_label(value: f64) -> String {
    let leading = value / 10_f64.powf(value.log10().floor());
    let has_room = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .any(|has| (leading - has).abs() < 1e-6);
    if has_room {
        short(value)
    } else {
        String::new()
    }
}

/// A little beyond the least and the greatest of them, for an axis with a logarithmic scale.
pub(crate) fn log_range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values.filter(|value| *value > 0.0) {
        (least, most) = (least.min(value), most.max(value));
    }
    if most == 0.0 {
        return 1.0..10.0;
    }
    least / 1.6..most * 1.6
}

/// From nothing to a little beyond the greatest of them.
pub(crate) fn range(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let most = values.fold(0.0_f64, f64::max);
    0.0..if most > 0.0 { most * 1.15 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room() {
        for (value, expected) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (200_000.0, "200 k"),
            (5e6, "5 M"),
            (1e7, "10 M"),
            (300_000.0, ""),
            (0.9, ""),
        ] {
            assert_eq!(log_label(value), expected);
        }
    }

    #[test]
    fn ranges_hold_all_values() {
        let values = || [0.0, 3.0, 40.0].into_iter();
        let with_log = log_range(values());
        assert!(with_log.start > 0.0 && with_log.start < 3.0 && with_log.end > 40.0);
        assert!(range(values()).contains(&0.0) && range(values()).contains(&40.0));
        for empty in [log_range(std::iter::empty()), range(std::iter::empty())] {
            assert!(empty.start < empty.end);
        }
    }
}
