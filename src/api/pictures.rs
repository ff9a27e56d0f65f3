//! Pictures of runs and experiments in the format that the path asks for.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::training::plot;

/// Pixels per unit of the drawing in a PNG: sharp on a screen of high density.
const SCALE: f32 = 2.0;

/// What a path as `confusion.png` asks for.
pub(super) struct Picture {
    /// For example `confusion`.
    pub name: &'static str,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    Svg,
    Png,
    Csv,
}

/// A drawing, and the data that it shows.
pub(super) struct Plot {
    pub svg: String,
    pub csv: String,
}

impl Picture {
    /// Reads `name.format`; anything but one of `names` in one of the three formats is not found.
    pub(super) fn parse(text: &str, names: &[&'static str]) -> Result<Self, Problem> {
        let parsed = text.split_once('.').and_then(|(name, format)| {
            let name = names.iter().copied().find(|known| *known == name)?;
            let format = match format {
                "svg" => Format::Svg,
                "png" => Format::Png,
                "csv" => Format::Csv,
                _ => return None,
            };
            Some(Self { name, format })
        });
        parsed.ok_or(Problem::NotFound("picture"))
    }

    /// The plot in the format that was asked for.
    pub(super) async fn answer(self, plot: Plot) -> Result<Response, Problem> {
        let (kind, body) = match self.format {
            Format::Svg => ("image/svg+xml", plot.svg.into_bytes()),
            Format::Csv => return Ok(csv(plot.csv)),
            Format::Png => {
                let drawn = tokio::task::spawn_blocking(move || plot::png(&plot.svg, SCALE)).await;
                ("image/png", drawn.map_err(anyhow::Error::from)??)
            }
        };
        Ok(fresh(kind, body))
    }
}

/// A table.
pub(super) fn csv(text: String) -> Response {
    fresh("text/csv; charset=utf-8", text.into_bytes())
}

/// An answer that is asked for anew each time.
fn fresh(kind: &'static str, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}
