//! Optimizer steps over lists of parameters: one pass over each parameter, its gradient and its state, all of them cut into
//! pieces of one parallel job. A rule says what happens to one element, in torch's order of operations.
mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Adadelta, Adagrad, Adam, Adamax, Asgd, Family, NAdam, RAdam, RmsProp, Rprop, Sgd};

use super::Parts;
use crate::gemm::{Element, HalfScalar};
use crate::pool;
use crate::vmath::{Lanes, Real, STEP, Task, padded};
use half::{bf16, f16};
use std::ops::Range;

/// A parameter, its gradient and `S` states of the same length; a state that the optimizer does not keep is empty.
pub struct Item<'a, P, const S: usize> {
    pub param: &'a mut [P],
    pub grad: &'a [P],
    pub state: [&'a mut [P]; S],
}

/// One optimizer's scalars at one step of one parameter. They are f64 and converted inside `update`, out of the loop.
pub trait Rule<const S: usize>: Copy + Sync {
    /// The new parameters and states of some elements.
    fn update<V: Lanes>(self, p: V, g: V, s: [V; S]) -> (V, [V; S]);
}

/// What parameters are stored as: f32 and f64 as themselves, halves computed in f32 and rounded once.
pub trait Stored: Element {
    /// Steps one piece.
    fn piece<R: Rule<S>, const S: usize>(rule: R, p: &mut [Self], g: &[Self], s: [&mut [Self]; S]);
}

macro_rules! stored {
    (plain $($t:ty)*) => {$(
        impl Stored for $t {
            fn piece<R: Rule<S>, const S: usize>(rule: R, p: &mut [Self], g: &[Self], s: [&mut [Self]; S]) {
                <$t>::vectors(Piece { rule, p, g, s });
            }
        }
    )*};
    (half $($t:ty)*) => {$(
        impl Stored for $t {
            fn piece<R: Rule<S>, const S: usize>(rule: R, p: &mut [Self], g: &[Self], s: [&mut [Self]; S]) {
                half_piece(rule, p, g, s);
            }
        }
    )*};
}
stored!(plain f32 f64);
stored!(half f16 bf16);

/// Elements of a piece, and of a block of halves that is widened at a time.
const PIECE: usize = 1 << 14;
const BLOCK: usize = 256;

/// Steps every item by its rule.
pub fn step<P: Stored, R: Rule<S>, const S: usize>(items: Vec<Item<P, S>>, rules: &[R]) {
    assert!(items.len() == rules.len());
    let shared: Vec<_> = items
        .into_iter()
        .map(|item| {
            let n = item.param.len();
            assert!(item.grad.len() == n && item.state.iter().all(|s| s.is_empty() || s.len() == n));
            (Parts::new(item.param), item.grad, item.state.map(|s| (s.is_empty(), Parts::new(s))))
        })
        .collect();
    let pieces: Vec<(usize, Range<usize>)> = shared
        .iter()
        .enumerate()
        .flat_map(|(i, (_, g, _))| (0..g.len()).step_by(PIECE).map(move |at| (i, at..(at + PIECE).min(g.len()))))
        .collect();
    let total = shared.iter().map(|(_, g, _)| g.len()).sum();
    let chunks = pool::split(total, PIECE).min(pieces.len().max(1));
    pool::for_each_chunk(chunks, |c| {
        for (i, r) in &pieces[pool::range(pieces.len(), chunks, c)] {
            let (param, grad, state) = &shared[*i];
            // SAFETY: pieces are disjoint.
            let (p, s) = unsafe {
                (param.get(r.clone()), state.each_ref().map(|(empty, s)| s.get(if *empty { 0..0 } else { r.clone() })))
            };
            P::piece(rules[*i], p, &grad[r.clone()], s);
        }
    });
}

/// Part of a parameter in the machine's lanes.
struct Piece<'a, R, T, const S: usize> {
    rule: R,
    p: &'a mut [T],
    g: &'a [T],
    s: [&'a mut [T]; S],
}

impl<R: Rule<S>, T: Real, const S: usize> Task for Piece<'_, R, T, S> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        let Piece { rule, p, g, s } = self;
        let n = p.len();
        assert!(g.len() == n && s.iter().all(|s| s.is_empty() || s.len() == n));
        // Single numbers go through buffers, where nothing aliases and the compiler makes vectors of them.
        let whole = if V::WIDTH > 1 { n / V::WIDTH * V::WIDTH } else { 0 };
        for at in (0..whole).step_by(V::WIDTH) {
            // SAFETY: a whole vector from `at` on lies in every slice that is not empty.
            unsafe {
                let mut e = [V::c(0.0); S];
                for k in 0..S {
                    if !s[k].is_empty() {
                        e[k] = V::load(s[k].as_ptr().add(at));
                    }
                }
                let (new, e) = rule.update(V::load(p.as_ptr().add(at)), V::load(g.as_ptr().add(at)), e);
                new.store(p.as_mut_ptr().add(at));
                for k in 0..S {
                    if !s[k].is_empty() {
                        e[k].store(s[k].as_mut_ptr().add(at));
                    }
                }
            }
        }
        for at in (whole..n).step_by(STEP) {
            let r = at..(at + STEP).min(n);
            let (mut bp, bg) = (padded(&p[r.clone()], T::ZERO), padded(&g[r.clone()], T::ZERO));
            let mut bs = [[T::ZERO; STEP]; S];
            for k in 0..S {
                if !s[k].is_empty() {
                    bs[k] = padded(&s[k][r.clone()], T::ZERO);
                }
            }
            for i in 0..STEP / V::WIDTH {
                let j = i * V::WIDTH;
                // SAFETY: vectors divide the buffers.
                unsafe {
                    let mut e = [V::c(0.0); S];
                    for k in 0..S {
                        e[k] = V::load(bs[k].as_ptr().add(j));
                    }
                    let (new, e) = rule.update(V::load(bp.as_ptr().add(j)), V::load(bg.as_ptr().add(j)), e);
                    new.store(bp.as_mut_ptr().add(j));
                    for k in 0..S {
                        e[k].store(bs[k].as_mut_ptr().add(j));
                    }
                }
            }
            p[r.clone()].copy_from_slice(&bp[..r.len()]);
            for k in 0..S {
                if !s[k].is_empty() {
                    s[k][r.clone()].copy_from_slice(&bs[k][..r.len()]);
                }
            }
        }
    }
}

/// Halves block by block through f32.
fn half_piece<H: HalfScalar, R: Rule<S>, const S: usize>(rule: R, p: &mut [H], g: &[H], s: [&mut [H]; S]) {
    let (mut bp, mut bg, mut bs) = ([0.0; BLOCK], [0.0; BLOCK], [[0.0; BLOCK]; S]);
    for at in (0..p.len()).step_by(BLOCK) {
        let r = at..(at + BLOCK).min(p.len());
        let n = r.len();
        H::widen(&p[r.clone()], &mut bp[..n]);
        H::widen(&g[r.clone()], &mut bg[..n]);
        for (b, s) in bs.iter_mut().zip(&s).filter(|(_, s)| !s.is_empty()) {
            H::widen(&s[r.clone()], &mut b[..n]);
        }
        let states = bs.each_mut().map(|b| &mut b[..n]);
        f32::vectors(Piece { rule, p: &mut bp[..n], g: &bg[..n], s: states });
        H::narrow(&bp[..n], &mut p[r.clone()]);
        for k in 0..S {
            if !s[k].is_empty() {
                H::narrow(&bs[k][..n], &mut s[k][r.clone()]);
            }
        }
    }
}
