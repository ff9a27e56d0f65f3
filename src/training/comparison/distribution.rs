//! Tail probabilities and quantiles of the normal, Student and binomial distributions.

/// Beyond so many degrees of freedom Student's distribution is the normal one to nine digits.
const NORMAL_FROM: f64 = 1e9;

/// The probability that a Student variable of `degrees` (infinite: a normal one) is at least as far
/// from 0 as `t`.
pub(super) fn two_sided(t: f64, degrees: f64) -> f64 {
    if degrees >= NORMAL_FROM {
        return libm::erfc(t.abs() / std::f64::consts::SQRT_2);
    }
    incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

/// The distance from 0 that a Student variable of `degrees` keeps with probability `level`: 1.96
/// for 0.95 and infinitely many degrees.
pub(super) fn quantile(level: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while two_sided(high, degrees) > 1.0 - level {
        high *= 2.0;
    }
    // Each step wins a bit, and a double has 53.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if two_sided(middle, degrees) > 1.0 - level {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The probability that of `of` fair coins at most `heads` show heads.
pub(super) fn fair_coins_at_most(heads: u32, of: u32) -> f64 {
    if heads >= of {
        return 1.0;
    }
    incomplete_beta(f64::from(of - heads), f64::from(heads) + 1.0, 0.5)
}

/// The regularised incomplete beta function `I_x(a, b)`, by Lentz's continued fraction (Numerical
/// Recipes, 3rd edition, 6.4).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on this side of the mean only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let scale = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    let front = libm::exp(scale + a * libm::log(x) + b * libm::log1p(-x)) / a;
    front * continued_fraction(a, b, x)
}

fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    let away_from_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut value) = (1.0, d);
    for step in 1..100_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    value
}
