//! Optimizer steps over flat parameters: one pass over parameter, gradient and state, in torch's order of operations.
use super::{GRAIN, Parts, sum};
use crate::pool;
use crate::simd::vectorize;
use crate::vmath::Real;

/// Adam and AdamW. `step` counts from 1.
#[derive(Clone, Copy, Debug)]
pub struct AdamArgs {
    pub lr: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    pub step: f64,
    /// AdamW: the parameter decays, not the gradient.
    pub decoupled: bool,
    pub maximize: bool,
}

/// SGD. `first` marks the step that creates the momentum buffer.
#[derive(Clone, Copy, Debug)]
pub struct SgdArgs {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
    pub first: bool,
}

/// `param -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)` after updating `m`, `v` and, if given, `max_v` (AMSGrad).
/// `decoupled`: `param *= 1 - lr * wd` first, else `grad += wd * param`.
pub fn adamw_step<T: Real>(
    param: &mut [T],
    grad: &[T],
    m: &mut [T],
    v: &mut [T],
    max_v: Option<&mut [T]>,
    args: AdamArgs,
) {
    let n = param.len();
    assert!(grad.len() == n && m.len() == n && v.len() == n && max_v.as_ref().is_none_or(|x| x.len() == n));
    let adam = Adam::new(args);
    let (param, m, v, max_v) = (Parts::new(param), Parts::new(m), Parts::new(v), max_v.map(Parts::new));
    let chunks = pool::split(n, GRAIN / 2);
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(n, chunks, i);
        // SAFETY: chunks are disjoint.
        let (p, m, v) = unsafe { (param.get(r.clone()), m.get(r.clone()), v.get(r.clone())) };
        let (grad, max_v) = (&grad[r.clone()], max_v.as_ref());
        // `move`: scalars behind a reference could alias the slices, and the loop would not vectorise
        vectorize(
            #[inline(always)]
            move || match max_v {
                Some(max_v) => {
                    // SAFETY: as above.
                    let max_v = unsafe { max_v.get(r) };
                    for ((((p, g), m), v), x) in p.iter_mut().zip(grad).zip(m).zip(v).zip(max_v) {
                        let g = adam.moments(p, *g, m, v);
                        *x = if v.is_nan() { g } else { (*v).max(*x) };
                        adam.update(p, *m, *x);
                    }
                }
                None => {
                    for (((p, g), m), v) in p.iter_mut().zip(grad).zip(m).zip(v) {
                        adam.moments(p, *g, m, v);
                        adam.update(p, *m, *v);
                    }
                }
            },
        );
    });
}

/// The step's scalars, in the parameter's type.
#[derive(Clone, Copy)]
struct Adam<T> {
    keep: T,
    decay: T,
    decays: bool,
    sign: T,
    lerp: T,
    beta2: T,
    rest2: T,
    root: T,
    eps: T,
    step_size: T,
}

impl<T: Real> Adam<T> {
    fn new(a: AdamArgs) -> Self {
        let f = T::from_f64;
        Adam {
            keep: f(if a.decoupled { 1.0 - a.lr * a.weight_decay } else { 1.0 }),
            decay: f(if a.decoupled { 0.0 } else { a.weight_decay }),
            decays: !a.decoupled && a.weight_decay != 0.0,
            sign: f(if a.maximize { -1.0 } else { 1.0 }),
            lerp: f(1.0 - a.betas.0),
            beta2: f(a.betas.1),
            rest2: f(1.0 - a.betas.1),
            root: f((1.0 - a.betas.1.powf(a.step)).sqrt()),
            eps: f(a.eps),
            step_size: f(a.lr / (1.0 - a.betas.0.powf(a.step))),
        }
    }

    /// Decays the parameter and updates both moments; gives the new second moment.
    #[inline(always)]
    fn moments(&self, p: &mut T, g: T, m: &mut T, v: &mut T) -> T {
        let g = self.sign * g;
        let g = if self.decays { g + self.decay * *p } else { g };
        *p *= self.keep;
        // torch's lerp: from the nearer end
        *m = if self.lerp < T::HALF { *m + self.lerp * (g - *m) } else { g - (g - *m) * (T::ONE - self.lerp) };
        *v = *v * self.beta2 + self.rest2 * g * g;
        *v
    }

    #[inline(always)]
    fn update(&self, p: &mut T, m: T, v: T) {
        let denom = v.sqrt() / self.root + self.eps;
        *p -= self.step_size * m / denom;
    }
}

/// `buf = momentum * buf + (1 - dampening) * grad`, then `param -= lr * buf` (nesterov: `lr * (grad + momentum * buf)`).
/// `buf` must be given if `momentum` is not 0.
pub fn sgd_step<T: Real>(param: &mut [T], grad: &[T], buf: Option<&mut [T]>, args: SgdArgs) {
    let n = param.len();
    assert!(grad.len() == n && buf.as_ref().is_none_or(|b| b.len() == n) && (buf.is_some() || args.momentum == 0.0));
    let f = T::from_f64;
    let (lr, decay, momentum) = (f(args.lr), f(args.weight_decay), f(args.momentum));
    let with_decay = move |g: T, p: T| if args.weight_decay != 0.0 { g + decay * p } else { g };
    let (sign, fresh) = (f(if args.maximize { -1.0 } else { 1.0 }), f(1.0 - args.dampening));
    let (param, buf) = (Parts::new(param), buf.filter(|_| args.momentum != 0.0).map(Parts::new));
    let chunks = pool::split(n, GRAIN);
    pool::for_each_chunk(chunks, |i| {
        let r = pool::range(n, chunks, i);
        // SAFETY: chunks are disjoint.
        let (p, buf) = unsafe { (param.get(r.clone()), buf.as_ref().map(|b| b.get(r.clone()))) };
        let data = p.iter_mut().zip(&grad[r]);
        vectorize(
            #[inline(always)]
            move || match buf {
                Some(buf) => {
                    for ((p, g), b) in data.zip(buf) {
                        let g = with_decay(sign * *g, *p);
                        *b = if args.first { g } else { momentum * *b + fresh * g };
                        *p -= lr * if args.nesterov { g + momentum * *b } else { *b };
                    }
                }
                None => {
                    for (p, g) in data {
                        *p -= lr * with_decay(sign * *g, *p);
                    }
                }
            },
        );
    });
}

/// Sum of squares of a gradient, in f64: pieces by length only, added in order.
pub fn sum_squares<T: Real>(x: &[T]) -> f64 {
    let chunks = pool::split(x.len(), GRAIN);
    let mut partial = vec![0.0; chunks];
    let parts = Parts::new(&mut partial);
    pool::for_each_chunk(chunks, |i| {
        let x = &x[pool::range(x.len(), chunks, i)];
        // SAFETY: each element is written once.
        let out = unsafe { parts.get(i..i + 1) };
        vectorize(
            #[inline(always)]
            || {
                out[0] = sum(
                    x,
                    T::ZERO,
                    #[inline(always)]
                    |v| v * v,
                )
            },
        );
    });
    partial.iter().sum()
}

/// `x *= factor` in place (gradient clipping).
pub fn scale<T: Real>(x: &mut [T], factor: f64) {
    let (n, chunks, factor) = (x.len(), pool::split(x.len(), GRAIN), T::from_f64(factor));
    let parts = Parts::new(x);
    pool::for_each_chunk(chunks, |i| {
        // SAFETY: chunks are disjoint.
        let x = unsafe { parts.get(pool::range(n, chunks, i)) };
        vectorize(
            #[inline(always)]
            move || {
                x.iter_mut().for_each(
                    #[inline(always)]
                    |v| *v *= factor,
                )
            },
        );
    });
}
