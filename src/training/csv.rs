//! Tables as comma-separated values (RFC 4180), in UTF-8.

use std::fmt::{Display, Write};

/// A table that grows by rows.
#[derive(Debug)]
pub(super) struct Csv(String);

impl Csv {
    /// A table with these column names.
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(&columns.iter().map(|column| column as &dyn Display).collect::<Vec<_>>());
        csv
    }

    /// Adds a row, each field quoted where it must be.
    pub(super) fn row(&mut self, fields: &[&dyn Display]) {
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            let text = field.to_string();
            if text.contains([',', '"', '\n', '\r']) {
                write!(self.0, "\"{}\"", text.replace('"', "\"\""))
                    .expect("writing to a string cannot fail");
            } else {
                self.0.push_str(&text);
            }
        }
        self.0.push_str("\r\n");
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_quotes_and_line_ends_are_quoted() {
        let mut csv = Csv::new(&["class", "share"]);
        csv.row(&[&"a \"big\", grey\nship", &0.25]);
        assert_eq!(csv.finish(), "class,share\r\n\"a \"\"big\"\", grey\nship\",0.25\r\n");
    }
}
