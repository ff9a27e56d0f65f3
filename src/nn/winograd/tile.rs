//! The transforms of one row or column of a tile, and their transposes.

use super::Tiling;

/// F(OUT, 3): OUT outputs of IN = OUT + 2 inputs under a kernel of three weights. Each of the three matrices is
/// there twice: one way it spreads, the other, transposed, it gathers.
pub(crate) trait Tile<const IN: usize, const OUT: usize> {
    /// Fewest tiles that are worth one reading of the weights; as [`Self::BAND`], chosen by the forward pass on one
    /// processor.
    const LEAST: usize;

    /// Numbers of a band's transformed inputs and outputs that stay in the cache, over IN².
    const BAND: usize;

    /// Bᵀ d: what a product reads of the inputs.
    fn spread_input(d: [f32; IN]) -> [f32; IN];

    /// G g: the factors that three weights give.
    fn spread_filter(g: [f32; 3]) -> [f32; IN];

    /// Aᵀ m: the outputs that products give.
    fn gather_output(m: [f32; IN]) -> [f32; OUT];

    /// B v: what the gradients of transformed inputs give the inputs.
    fn gather_input(v: [f32; IN]) -> [f32; IN];

    /// Gᵀ u: what the gradients of factors give the weights.
    fn gather_filter(u: [f32; IN]) -> [f32; 3];

    /// A y: what the gradients of outputs give the products.
    fn spread_output(y: [f32; OUT]) -> [f32; IN];
}

/// The polynomials are taken at 0, ±1 and ∞.
impl Tile<4, 2> for Tiling<4, 2> {
    const LEAST: usize = 36;
    const BAND: usize = 4608;

    #[inline(always)]
    fn spread_input(d: [f32; 4]) -> [f32; 4] {
        [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
    }

    #[inline(always)]
    fn spread_filter(g: [f32; 3]) -> [f32; 4] {
        let (ends, middle) = (0.5 * (g[0] + g[2]), 0.5 * g[1]);
        [g[0], ends + middle, ends - middle, g[2]]
    }

    #[inline(always)]
    fn gather_output(m: [f32; 4]) -> [f32; 2] {
        [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
    }

    #[inline(always)]
    fn gather_input(v: [f32; 4]) -> [f32; 4] {
        [v[0], v[1] - v[2] + v[3], v[1] + v[2] - v[0], -v[3]]
    }

    #[inline(always)]
    fn gather_filter(u: [f32; 4]) -> [f32; 3] {
        let ends = 0.5 * (u[1] + u[2]);
        [u[0] + ends, 0.5 * (u[1] - u[2]), ends + u[3]]
    }

    #[inline(always)]
    fn spread_output(y: [f32; 2]) -> [f32; 4] {
        [y[0], y[0] + y[1], y[0] - y[1], -y[1]]
    }
}

/// The points of large tiles beside 0 and ∞, and their powers, all exact: with the usual ±1 and ±2 (Lavin and Gray
/// 2015) the largest error is four times as large.
const P: f32 = 0.625;
const Q: f32 = 1.5;
const P2: f32 = P * P;
const Q2: f32 = Q * Q;

/// What the rows of G are multiplied by; these are rounded.
const AT_ZERO: f32 = 1.0 / (P2 * Q2);
const AT_P: f32 = 0.5 / (P2 * (P2 - Q2));
const AT_Q: f32 = 0.5 / (Q2 * (Q2 - P2));

/// The polynomials are taken at 0, ±P, ±Q and ∞.
impl Tile<6, 4> for Tiling<6, 4> {
    const LEAST: usize = 18;
    const BAND: usize = 2600;

    #[inline(always)]
    fn spread_input(d: [f32; 6]) -> [f32; 6] {
        let even = [d[4] - Q2 * d[2], d[4] - P2 * d[2]];
        let odd = [P * (d[3] - Q2 * d[1]), Q * (d[3] - P2 * d[1])];
        [
            d[4] - (P2 + Q2) * d[2] + P2 * Q2 * d[0],
            even[0] + odd[0],
            even[0] - odd[0],
            even[1] + odd[1],
            even[1] - odd[1],
            d[5] - (P2 + Q2) * d[3] + P2 * Q2 * d[1],
        ]
    }

    #[inline(always)]
    fn spread_filter(g: [f32; 3]) -> [f32; 6] {
        let even = [g[0] + P2 * g[2], g[0] + Q2 * g[2]];
        let odd = [P * g[1], Q * g[1]];
        [
            AT_ZERO * g[0],
            AT_P * (even[0] + odd[0]),
            AT_P * (even[0] - odd[0]),
            AT_Q * (even[1] + odd[1]),
            AT_Q * (even[1] - odd[1]),
            g[2],
        ]
    }

    #[inline(always)]
    fn gather_output(m: [f32; 6]) -> [f32; 4] {
        let (sums, differences) = ([m[1] + m[2], m[3] + m[4]], [m[1] - m[2], m[3] - m[4]]);
        [
            m[0] + sums[0] + sums[1],
            P * differences[0] + Q * differences[1],
            P2 * sums[0] + Q2 * sums[1],
            m[5] + P2 * P * differences[0] + Q2 * Q * differences[1],
        ]
    }

    #[inline(always)]
    fn gather_input(v: [f32; 6]) -> [f32; 6] {
        let (sums, differences) = ([v[1] + v[2], v[3] + v[4]], [v[1] - v[2], v[3] - v[4]]);
        let odd = [P * differences[0], Q * differences[1]];
        [
            P2 * Q2 * v[0],
            P2 * Q2 * v[5] - Q2 * odd[0] - P2 * odd[1],
            -(P2 + Q2) * v[0] - Q2 * sums[0] - P2 * sums[1],
            odd[0] + odd[1] - (P2 + Q2) * v[5],
            v[0] + sums[0] + sums[1],
            v[5],
        ]
    }

    #[inline(always)]
    fn gather_filter(u: [f32; 6]) -> [f32; 3] {
        let sums = [AT_P * (u[1] + u[2]), AT_Q * (u[3] + u[4])];
        let differences = [AT_P * (u[1] - u[2]), AT_Q * (u[3] - u[4])];
        [
            AT_ZERO * u[0] + sums[0] + sums[1],
            P * differences[0] + Q * differences[1],
            P2 * sums[0] + Q2 * sums[1] + u[5],
        ]
    }

    #[inline(always)]
    fn spread_output(y: [f32; 4]) -> [f32; 6] {
        let even = [y[0] + P2 * y[2], y[0] + Q2 * y[2]];
        let odd = [P * (y[1] + P2 * y[3]), Q * (y[1] + Q2 * y[3])];
        [y[0], even[0] + odd[0], even[0] - odd[0], even[1] + odd[1], even[1] - odd[1], y[3]]
    }
}
