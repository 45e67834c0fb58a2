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
        // One vector at a time: the operands of more would not fit the registers.
        self.step::<V::Narrow>();
    }
}

impl<R: Rule<S>, T: Real, const S: usize> Piece<'_, R, T, S> {
    #[inline(always)]
    fn step<V: Lanes<T = T>>(self) {
        let Piece { rule, p, g, s } = self;
        let n = p.len();
        assert!(g.len() == n && s.iter().all(|s| s.is_empty() || s.len() == n));
        let kept = s.each_ref().map(|s| !s.is_empty());
        let s = s.map(|s| s.as_mut_ptr());
        // Single numbers go through buffers, where nothing aliases and the compiler makes vectors of them.
        let whole = if V::WIDTH > 1 { n / V::WIDTH * V::WIDTH } else { 0 };
        for at in (0..whole).step_by(V::WIDTH) {
            // SAFETY: a whole vector from `at` on lies in every slice, and in every state that is kept.
            unsafe {
                update::<V, R, S>(rule, p.as_mut_ptr().add(at), g.as_ptr().add(at), s.map(|s| s.wrapping_add(at)), kept)
            };
        }
        for at in (whole..n).step_by(STEP) {
            let r = at..(at + STEP).min(n);
            let (mut bp, bg) = (padded(&p[r.clone()], T::ZERO), padded(&g[r.clone()], T::ZERO));
            let mut bs = [[T::ZERO; STEP]; S];
            // SAFETY: `r` lies in every state that is kept, vectors divide the buffers.
            unsafe {
                for k in (0..S).filter(|&k| kept[k]) {
                    std::ptr::copy_nonoverlapping(s[k].add(at), bs[k].as_mut_ptr(), r.len());
                }
                for j in (0..STEP).step_by(V::WIDTH) {
                    let states = bs.each_mut().map(|b| b.as_mut_ptr().add(j));
                    update::<V, R, S>(rule, bp.as_mut_ptr().add(j), bg.as_ptr().add(j), states, [true; S]);
                }
                for k in (0..S).filter(|&k| kept[k]) {
                    std::ptr::copy_nonoverlapping(bs[k].as_ptr(), s[k].add(at), r.len());
                }
            }
            p[r.clone()].copy_from_slice(&bp[..r.len()]);
        }
    }
}

/// Steps one vector in place.
///
/// # Safety
/// All pointers are valid for a vector, those in `s` where `kept` says so.
#[inline(always)]
unsafe fn update<V: Lanes, R: Rule<S>, const S: usize>(
    rule: R,
    p: *mut V::T,
    g: *const V::T,
    s: [*mut V::T; S],
    kept: [bool; S],
) {
    // SAFETY: as the caller says.
    unsafe {
        let mut state = [V::c(0.0); S];
        for k in (0..S).filter(|&k| kept[k]) {
            state[k] = V::load(s[k]);
        }
        let (new, state) = rule.update(V::load(p), V::load(g), state);
        new.store(p);
        for k in (0..S).filter(|&k| kept[k]) {
            state[k].store(s[k]);
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
