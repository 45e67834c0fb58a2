//! Counts: Poisson and binomial samples, drawn from the stream as torch draws them.
use super::{Generator, Handle, with};
use crate::tensor::Tensor;
use rsnn_core::{DType, Device, Result, broadcast_shapes, ensure};

fn uniform(g: &mut Generator) -> f64 {
    let mut x = [0.0];
    g.uniform(&mut x, 0.0, 1.0);
    x[0]
}

/// Values of a float tensor as f64, broadcast to `shape`.
fn values(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let x = crate::device::to_device(&x.detach(), Device::Cpu)?;
    crate::copy::contiguous(&crate::view::expand(&crate::copy::cast(&x, DType::F64)?, shape)?)
}

/// Gives the samples the dtype and device of `like`.
fn finish(samples: Vec<f64>, shape: &[usize], like: &Tensor) -> Result<Tensor> {
    let t = crate::copy::cast(&Tensor::from_slice(&samples, shape)?, like.dtype())?;
    crate::device::to(&t, like.device())
}

/// Samples of Poisson distributions with the rates in `x`.
pub fn poisson(x: &Tensor, generator: Option<&Handle>) -> Result<Tensor> {
    ensure!(x.dtype().is_float(), NotImplemented, "\"poisson_cpu\" not implemented for '{}'", x.dtype().scalar_name());
    let rates = values(x, x.shape())?;
    let rates = rates.as_slice::<f64>();
    ensure!(rates.iter().all(|&r| r >= 0.0), Runtime, "invalid Poisson rate, expected rate to be non-negative");
    ensure!(rates.iter().all(|r| r.is_finite()), Runtime, "poisson: invalid rate, expected rates to be finite");
    let samples = with(generator, |g| rates.iter().map(|&rate| one_poisson(rate, g)).collect());
    finish(samples, x.shape(), x)
}

/// Products of uniform numbers below 10, transformed rejection (Hoermann 1993) from there on.
fn one_poisson(rate: f64, g: &mut Generator) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if rate < 10.0 {
        let (floor, mut product, mut count) = ((-rate).exp(), uniform(g), 0.0);
        while product > floor {
            product *= uniform(g);
            count += 1.0;
        }
        return count;
    }
    let b = 0.931 + 2.53 * rate.sqrt();
    let a = -0.059 + 0.02483 * b;
    let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let (u, v) = (uniform(g) - 0.5, uniform(g));
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + rate + 0.43).floor();
        if us >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let bound = -rate + k * rate.ln() - crate::unary::lgamma(k + 1.0);
        if v.ln() + inverse_alpha.ln() - (a / (us * us) + b).ln() <= bound {
            return k;
        }
    }
}

/// Samples of binomial distributions: successes among `count` trials of probability `p`.
pub fn binomial(count: &Tensor, p: &Tensor, generator: Option<&Handle>) -> Result<Tensor> {
    ensure!(
        count.dtype().is_float() && count.dtype() == p.dtype(),
        Runtime,
        "binomial only supports floating-point dtypes for count and prob, got: {} and {}",
        count.dtype().scalar_name(),
        p.dtype().scalar_name()
    );
    let shape = broadcast_shapes(count.shape(), p.shape())?;
    let (n, q) = (values(count, &shape)?, values(p, &shape)?);
    let finite = n.as_slice::<f64>().iter().all(|n| n.is_finite());
    ensure!(finite, Runtime, "binomial: invalid count, expected counts to be finite");
    let pairs = n.as_slice::<f64>().iter().zip(q.as_slice::<f64>());
    let samples = with(generator, |g| pairs.map(|(&n, &p)| one_binomial(n, p, g)).collect());
    finish(samples, &shape, count)
}

fn one_binomial(count: f64, p: f64, g: &mut Generator) -> f64 {
    match () {
        () if p.is_nan() => f64::NAN,
        () if count <= 0.0 || p <= 0.0 => 0.0,
        () if p >= 1.0 => count,
        () if p > 0.5 => count - rarer(count, 1.0 - p, g),
        () => rarer(count, p, g),
    }
}

/// For `p <= 0.5`: gaps between successes while few are expected, transformed rejection (Hoermann 1993) else.
fn rarer(count: f64, p: f64, g: &mut Generator) -> f64 {
    if count * p >= 10.0 {
        return rejection(count, p, g);
    }
    let (mut sum, mut successes) = (0.0, 0.0);
    loop {
        sum += (uniform(g).ln() / (-p).ln_1p()).ceil();
        if sum > count {
            return successes;
        }
        successes += 1.0;
    }
}

fn rejection(count: f64, p: f64, g: &mut Generator) -> f64 {
    let deviation = (count * p * (1.0 - p)).sqrt();
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let (squeeze, odds) = (0.92 - 4.2 / b, p / (1.0 - p));
    let alpha = (2.83 + 5.1 / b) * deviation;
    let m = ((count + 1.0) * p).floor();
    loop {
        let (u, v) = (uniform(g) - 0.5, uniform(g));
        let us = 0.5 - u.abs();
        let k = ((2.0 * a / us + b) * u + count * p + 0.5).floor();
        if us >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || k > count {
            continue;
        }
        let bound = (m + 0.5) * ((m + 1.0) / (odds * (count - m + 1.0))).ln()
            + (count + 1.0) * ((count - m + 1.0) / (count - k + 1.0)).ln()
            + (k + 0.5) * (odds * (count - k + 1.0) / (k + 1.0)).ln()
            + stirling_rest(m)
            + stirling_rest(count - m)
            - stirling_rest(k)
            - stirling_rest(count - k);
        if (v * alpha / (a / (us * us) + b)).ln() <= bound {
            return k;
        }
    }
}

/// What Stirling's formula leaves of `ln k!`.
fn stirling_rest(k: f64) -> f64 {
    if k <= 9.0 {
        let n = k + 1.0;
        return crate::unary::lgamma(n) - ((n - 0.5) * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI).ln());
    }
    let n = k + 1.0;
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (n * n)) / (n * n)) / n
}
