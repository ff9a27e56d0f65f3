//! A checked, single-threaded matrix product over strided slices, on the `gemm` crate.

/// A read-only matrix inside a slice: element (r, c) is `data[r * rows + c * cols]`.
///
/// Rows may overlap, which is how a convolution's patch matrix is read without being built.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    /// The numbers; element (0, 0) comes first.
    pub data: &'a [f32],
    /// Distance between two rows.
    pub rows: usize,
    /// Distance between two columns.
    pub cols: usize,
}

impl<'a> Matrix<'a> {
    /// Rows `stride` apart, columns adjacent.
    pub fn by_rows(data: &'a [f32], stride: usize) -> Self {
        Self { data, rows: stride, cols: 1 }
    }

    /// The transpose of a matrix whose rows are `stride` apart.
    pub fn transposed(data: &'a [f32], stride: usize) -> Self {
        Self { data, rows: 1, cols: stride }
    }

    fn covers(&self, rows: usize, cols: usize) -> bool {
        rows == 0 || cols == 0 || (rows - 1) * self.rows + (cols - 1) * self.cols < self.data.len()
    }
}

/// The size of a product: `[m, k] · [k, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Length of each sum.
    pub k: usize,
}

/// Whether a product replaces the destination or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// `dst = a · b`.
    Replace,
    /// `dst += a · b`.
    Add,
}

/// `dst[m, n] (+)= a[m, k] · b[k, n]`; `dst` has adjacent columns and rows `size.n` apart.
///
/// Always runs on the calling thread, so its result depends on the sizes only.
///
/// # Panics
/// When a matrix is shorter than its size says.
pub fn multiply(size: Size, a: Matrix<'_>, b: Matrix<'_>, dst: &mut [f32], into: Into) {
    let Size { m, n, k } = size;
    assert!(a.covers(m, k), "left matrix is too short");
    assert!(b.covers(k, n), "right matrix is too short");
    assert!(m * n <= dst.len(), "result matrix is too short");
    #[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
    // SAFETY: the three assertions above hold every element that gemm reads or writes inside the
    // slices; `dst` is borrowed exclusively, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.cols as isize,
            a.rows as isize,
            b.data.as_ptr(),
            b.cols as isize,
            b.rows as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the sums are exact")]
mod tests {
    use super::*;

    #[test]
    fn overlapping_rows_are_read_as_a_patch_matrix() {
        let signal = [1.0, 2.0, 3.0, 4.0];
        let mut dst = [0.0; 2];
        let size = Size { m: 2, n: 1, k: 3 };
        let weights = Matrix::by_rows(&[1.0, 10.0, 100.0], 1);
        multiply(size, Matrix::by_rows(&signal, 1), weights, &mut dst, Into::Replace);
        assert_eq!(dst, [321.0, 432.0]);
        multiply(size, Matrix::by_rows(&signal, 1), weights, &mut dst, Into::Add);
        assert_eq!(dst, [642.0, 864.0]);
    }

    #[test]
    #[should_panic(expected = "left matrix is too short")]
    fn a_short_matrix_is_refused() {
        let mut dst = [0.0; 4];
        let short = Matrix::by_rows(&[1.0, 2.0, 3.0], 2);
        multiply(Size { m: 2, n: 2, k: 2 }, short, short, &mut dst, Into::Replace);
    }
}
