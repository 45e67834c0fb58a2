//! The update rules. Every field is what the formula beside it names; scalars that depend on the step come from the caller.
use super::Rule;
use crate::vmath::Lanes;

#[inline(always)]
fn f<V: Lanes>(x: f64) -> V {
    V::c(x)
}

/// The gradient of what is minimised, with an L2 penalty.
#[inline(always)]
fn gradient<V: Lanes>(p: V, g: V, maximize: bool, weight_decay: f64) -> V {
    let g = if maximize { -g } else { g };
    if weight_decay == 0.0 { g } else { p.fma(f(weight_decay), g) }
}

/// torch's lerp: from the nearer end.
#[inline(always)]
fn lerp<V: Lanes>(from: V, to: V, weight: f64) -> V {
    if weight < 0.5 { (to - from).fma(f(weight), from) } else { (from - to).fma(f(1.0 - weight), to) }
}

/// The larger of a state and a new value; a NaN stays.
#[inline(always)]
fn larger<V: Lanes>(old: V, new: V) -> V {
    old.max(new)
}

/// What the Adam family shares.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub lr: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub weight_decay: f64,
    /// `p *= 1 - lr * weight_decay` beside the step, not an L2 penalty.
    pub decoupled: bool,
    pub maximize: bool,
    /// `lr / (1 - b1^t)`, set by the rules.
    pub rate: f64,
}

impl Family {
    fn with_rate(self, step: f64) -> Family {
        Family { rate: self.lr / (1.0 - self.betas.0.powf(step)), ..self }
    }

    /// Parameter and gradient after weight decay.
    #[inline(always)]
    fn decayed<V: Lanes>(self, p: V, g: V) -> (V, V) {
        let g = gradient(p, g, self.maximize, if self.decoupled { 0.0 } else { self.weight_decay });
        let decays = self.decoupled && self.weight_decay != 0.0;
        (if decays { p * f(1.0 - self.lr * self.weight_decay) } else { p }, g)
    }

    /// Both moments after a gradient.
    #[inline(always)]
    fn moments<V: Lanes>(self, m: V, v: V, g: V) -> (V, V) {
        let (b1, b2) = self.betas;
        (lerp(m, g, 1.0 - b1), (g * g).fma(f(1.0 - b2), v * f(b2)))
    }
}

/// `p -= lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps)`; with `amsgrad` the largest `v` so far. States: m, v, largest v.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    family: Family,
    amsgrad: bool,
    inverse_root: f64,
}

impl Adam {
    pub fn new(family: Family, amsgrad: bool, step: f64) -> Adam {
        let unbias = 1.0 - family.betas.1.powf(step);
        Adam { family: family.with_rate(step), amsgrad, inverse_root: 1.0 / unbias.sqrt() }
    }
}

impl Rule<3> for Adam {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [m, v, top]: [V; 3]) -> (V, [V; 3]) {
        let (p, g) = self.family.decayed(p, g);
        let (m, v) = self.family.moments(m, v, g);
        let top = if self.amsgrad { larger(top, v) } else { v };
        let denominator = top.sqrt().fma(f(self.inverse_root), f(self.family.eps));
        (p - f::<V>(self.family.rate) * m / denominator, [m, v, top])
    }
}

/// Adam with the momentum of the next step. States: m, v.
#[derive(Clone, Copy, Debug)]
pub struct NAdam {
    family: Family,
    unbias: f64,
    now: f64,
    ahead: f64,
}

impl NAdam {
    /// `mu` of this step and the next; `product` of all so far.
    pub fn new(family: Family, step: f64, mu: (f64, f64), product: f64) -> NAdam {
        NAdam {
            family,
            unbias: 1.0 - family.betas.1.powf(step),
            now: family.lr * (1.0 - mu.0) / (1.0 - product),
            ahead: family.lr * mu.1 / (1.0 - product * mu.1),
        }
    }
}

impl Rule<2> for NAdam {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [m, v]: [V; 2]) -> (V, [V; 2]) {
        let (p, g) = self.family.decayed(p, g);
        let (m, v) = self.family.moments(m, v, g);
        let denominator = (v / f(self.unbias)).sqrt() + f(self.family.eps);
        (p - (f::<V>(self.now) * g + f::<V>(self.ahead) * m) / denominator, [m, v])
    }
}

/// Adam rectified for the variance of `v`, which rests on `rho` gradients; up to 5 the step is plain momentum. States: m, v.
#[derive(Clone, Copy, Debug)]
pub struct RAdam {
    family: Family,
    rectified: bool,
}

impl RAdam {
    pub fn new(family: Family, step: f64) -> RAdam {
        let (mut family, b2) = (family.with_rate(step), family.betas.1);
        let unbias = 1.0 - b2.powf(step);
        let longest = 2.0 / (1.0 - b2) - 1.0;
        let rho = longest - 2.0 * step * (1.0 - unbias) / unbias;
        let rectified = rho > 5.0;
        if rectified {
            let square = (rho - 4.0) * (rho - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * rho);
            family.rate *= square.sqrt() * unbias.sqrt();
        }
        RAdam { family, rectified }
    }
}

impl Rule<2> for RAdam {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [m, v]: [V; 2]) -> (V, [V; 2]) {
        let (p, g) = self.family.decayed(p, g);
        let (m, v) = self.family.moments(m, v, g);
        let step = f::<V>(self.family.rate) * m;
        (p - if self.rectified { step / (v.sqrt() + f(self.family.eps)) } else { step }, [m, v])
    }
}

/// Adam with a decaying maximum in place of the root: `u = max(b2 u, |g| + eps)`. States: m, u.
#[derive(Clone, Copy, Debug)]
pub struct Adamax(Family);

impl Adamax {
    pub fn new(family: Family, step: f64) -> Adamax {
        Adamax(family.with_rate(step))
    }
}

impl Rule<2> for Adamax {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [m, u]: [V; 2]) -> (V, [V; 2]) {
        let (p, g) = self.0.decayed(p, g);
        let m = lerp(m, g, 1.0 - self.0.betas.0);
        let u = larger(u * f(self.0.betas.1), g.abs() + f(self.0.eps));
        (p - f::<V>(self.0.rate) * m / u, [m, u])
    }
}

/// `b = momentum b + (1 - dampening) g`, `p -= lr b` (nesterov: `lr (g + momentum b)`); `first` sets `b = g`. State: b.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    pub lr: f64,
    pub momentum: f64,
    pub dampening: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub maximize: bool,
    pub first: bool,
}

impl Rule<1> for Sgd {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [b]: [V; 1]) -> (V, [V; 1]) {
        let g = gradient(p, g, self.maximize, self.weight_decay);
        if self.momentum == 0.0 {
            return (f::<V>(-self.lr).fma(g, p), [b]);
        }
        let momentum = f::<V>(self.momentum);
        let b = if self.first { g } else { momentum.fma(b, f::<V>(1.0 - self.dampening) * g) };
        (f::<V>(-self.lr).fma(if self.nesterov { momentum.fma(b, g) } else { b }, p), [b])
    }
}

/// `p -= rate g / (sqrt(sum of g^2) + eps)`. State: the sum.
#[derive(Clone, Copy, Debug)]
pub struct Adagrad {
    pub rate: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

impl Rule<1> for Adagrad {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [sum]: [V; 1]) -> (V, [V; 1]) {
        let g = gradient(p, g, self.maximize, self.weight_decay);
        let sum = sum + g * g;
        (p - f::<V>(self.rate) * g / (sum.sqrt() + f(self.eps)), [sum])
    }
}

/// `d = g sqrt(u + eps) / sqrt(v + eps)`, `p -= lr d`. States: v (mean of g^2), u (mean of d^2).
#[derive(Clone, Copy, Debug)]
pub struct Adadelta {
    pub lr: f64,
    pub rho: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

impl Rule<2> for Adadelta {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [v, u]: [V; 2]) -> (V, [V; 2]) {
        let g = gradient(p, g, self.maximize, self.weight_decay);
        let (keep, rest, eps) = (f::<V>(self.rho), f::<V>(1.0 - self.rho), f::<V>(self.eps));
        let v = v * keep + rest * g * g;
        let d = (u + eps).sqrt() / (v + eps).sqrt() * g;
        (p - f::<V>(self.lr) * d, [v, u * keep + rest * d * d])
    }
}

/// `p -= lr g / (sqrt(v - mean^2) + eps)`, the mean only if centered, through a buffer with momentum. States: v, buffer, mean.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    pub lr: f64,
    pub alpha: f64,
    pub eps: f64,
    pub weight_decay: f64,
    pub momentum: f64,
    pub centered: bool,
    pub maximize: bool,
}

impl Rule<3> for RmsProp {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [v, buffer, mean]: [V; 3]) -> (V, [V; 3]) {
        let g = gradient(p, g, self.maximize, self.weight_decay);
        let v = v * f(self.alpha) + f::<V>(1.0 - self.alpha) * g * g;
        let mean = if self.centered { lerp(mean, g, 1.0 - self.alpha) } else { mean };
        let spread = if self.centered { v - mean * mean } else { v };
        let scaled = g / (spread.sqrt() + f(self.eps));
        let buffer = if self.momentum > 0.0 { buffer * f(self.momentum) + scaled } else { scaled };
        (p - f::<V>(self.lr) * buffer, [v, buffer, mean])
    }
}

/// `p -= sign(g) size`; the size grows while the sign stays and shrinks when it turns, then the weight waits a step.
/// States: the last gradient, the size.
#[derive(Clone, Copy, Debug)]
pub struct Rprop {
    pub etas: (f64, f64),
    pub sizes: (f64, f64),
    pub maximize: bool,
}

impl Rule<2> for Rprop {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [before, size]: [V; 2]) -> (V, [V; 2]) {
        let g = if self.maximize { -g } else { g };
        let agree = g * before;
        let (zero, turned) = (V::c(0.0), agree.lt(V::c(0.0)));
        let grown = V::select(zero.lt(agree), f(self.etas.1), V::c(1.0));
        let size = (size * V::select(turned, f(self.etas.0), grown)).limit(self.sizes.0, self.sizes.1);
        let g = V::select(turned, zero, g);
        let down = V::select(g.lt(zero), size, zero);
        (p + V::select(zero.lt(g), -size, down), [g, size])
    }
}

/// `p = (1 - lambd eta) p - eta g`, and the average of the weights. State: the average.
#[derive(Clone, Copy, Debug)]
pub struct Asgd {
    pub lambd: f64,
    pub eta: f64,
    pub mu: f64,
    pub weight_decay: f64,
    pub maximize: bool,
}

impl Rule<1> for Asgd {
    #[inline(always)]
    fn update<V: Lanes>(self, p: V, g: V, [ax]: [V; 1]) -> (V, [V; 1]) {
        let g = gradient(p, g, self.maximize, self.weight_decay);
        let p = p * f(1.0 - self.lambd * self.eta) - f::<V>(self.eta) * g;
        (p, [if self.mu == 1.0 { p } else { ax + (p - ax) * f(self.mu) }])
    }
}
