//! Affine maps of the plane in (row, column) about a picture's centre.

/// A map from output to input places, both in pixels from the centre of the picture
/// (`size / 2 − 0.5`): `row' = row[0]·row + row[1]·column + row[2]`, and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Coefficients of row, column and one in the input row.
    pub row: [f32; 3],
    /// The same for the input column.
    pub column: [f32; 3],
}

impl Affine {
    /// Every pixel stays.
    pub const IDENTITY: Self = Self::scale(1.0, 1.0);

    /// Rows and columns times a factor each; above one the picture shrinks.
    pub const fn scale(rows: f32, columns: f32) -> Self {
        Self { row: [rows, 0.0, 0.0], column: [0.0, columns, 0.0] }
    }

    /// A shift in pixels; a positive one moves the picture up and to the left.
    pub const fn shift(rows: f32, columns: f32) -> Self {
        Self { row: [1.0, 0.0, rows], column: [0.0, 1.0, columns] }
    }

    /// A rotation by `angle` radians; a positive one turns the picture clockwise.
    pub fn rotation(angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self { row: [cos, -sin, 0.0], column: [sin, cos, 0.0] }
    }

    /// Keras' shear by `angle` radians: `[[1, −sin], [0, cos]]`.
    pub fn shear(angle: f32) -> Self {
        Self { row: [1.0, -angle.sin(), 0.0], column: [0.0, angle.cos(), 0.0] }
    }

    /// The matrix product `self · inner`: `inner` is applied to the output place first.
    #[must_use]
    pub fn after(self, inner: Self) -> Self {
        let line = |[a, b, c]: [f32; 3]| {
            let (row, column) = (inner.row, inner.column);
            let product = |i: usize| a * row[i] + b * column[i];
            [product(0), product(1), product(2) + c]
        };
        Self { row: line(self.row), column: line(self.column) }
    }
}
