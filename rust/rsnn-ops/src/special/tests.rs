//! Known values.
use super::*;

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-13 * expected.abs().max(1e-3), "{got} instead of {expected}");
}

#[test]
fn incomplete_gamma() {
    close(gamma::lower(1.0, 0.5), 1.0 - (-0.5f64).exp());
    close(gamma::upper(1.0, 30.0), (-30.0f64).exp());
    close(gamma::lower(0.5, 2.0), 0.954_499_736_103_641_6);
    assert_eq!(gamma::lower(3.0, 0.0), 0.0);
    assert_eq!(gamma::upper(3.0, f64::INFINITY), 0.0);
    assert!(gamma::lower(-1.0, 1.0).is_nan());
}

#[test]
fn zeta() {
    close(hurwitz_zeta(2.0, 1.0), std::f64::consts::PI.powi(2) / 6.0);
    close(hurwitz_zeta(2.5, 1.0), 1.341_487_257_250_917);
    assert_eq!(hurwitz_zeta(2.0, -1.0), f64::INFINITY);
    assert_eq!((hurwitz_zeta(1e30, 1.0), hurwitz_zeta(1e30, 0.5)), (1.0, f64::INFINITY));
}

#[test]
fn common_divisors() {
    assert_eq!((gcd(12, -18), gcd(0, 5), gcd(0, 0)), (6, 5, 0));
    assert_eq!((lcm(4, 6), lcm(-4, 6), lcm(0, 3)), (12, 12, 0));
}

#[test]
fn mantissas() {
    assert_eq!(split(-6.0), (-0.75, 3));
    assert_eq!(split(5e-324), (0.5, -1073));
    assert_eq!(split(0.0), (0.0, 0));
}
