//! Formulas over slices: in the vectors of `wide` where the machine has them, else in loops that the compiler vectorises.
use super::{Lanes, Real};
use crate::simd;

/// A function of one number.
pub trait Map1: Copy + Send + Sync {
    fn apply<V: Lanes>(self, x: V) -> V;
}

/// A function of two numbers.
pub trait Map2: Copy + Send + Sync {
    fn apply<V: Lanes>(self, a: V, b: V) -> V;
}

/// Work on slices of one type, written for any lanes; `Real::vectors` picks the lanes.
pub trait Task {
    type T: Real;
    type Out;
    fn run<V: Lanes<T = Self::T>>(self) -> Self::Out;
}

/// Runs a task on single numbers, in a loop for the compiler to vectorise.
#[inline(always)]
pub(super) fn singly<V: Lanes<T = K::T>, K: Task>(task: K) -> K::Out {
    simd::vectorize(
        #[inline(always)]
        || task.run::<V>(),
    )
}

#[inline]
pub(super) fn vectors_f32<K: Task<T = f32>>(task: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    if simd::level() >= simd::Level::Avx2 {
        // SAFETY: the level has what `with` asks for.
        return unsafe {
            super::wide::with(
                #[inline(always)]
                || task.run::<super::wide::Wide<4>>(),
            )
        };
    }
    #[cfg(target_arch = "x86_64")]
    return task.run::<f32>(); // portable only: the other levels have vectors
    #[cfg(not(target_arch = "x86_64"))]
    singly::<f32, K>(task)
}

/// Numbers per step of a loop whatever the lanes are: as many as the widest.
pub const STEP: usize = 32;

/// The last, short step of a slice, filled up with `pad`.
#[inline(always)]
pub fn padded<T: Copy>(x: &[T], pad: T) -> [T; STEP] {
    let mut part = [pad; STEP];
    for (p, x) in part.iter_mut().zip(x) {
        *p = *x;
    }
    part
}

/// `out[i] = f(x[i])`
#[inline(always)]
pub fn each1<V: Lanes>(x: &[V::T], out: &mut [V::T], f: impl Fn(V) -> V) {
    let (xs, rest) = x.as_chunks::<STEP>();
    let (outs, out_rest) = out[..x.len()].as_chunks_mut::<STEP>();
    for (x, out) in xs.iter().zip(outs) {
        step1(x, out, &f);
    }
    if !rest.is_empty() {
        let mut part = [V::T::ZERO; STEP];
        step1(&padded(rest, V::T::ZERO), &mut part, &f);
        out_rest.copy_from_slice(&part[..rest.len()]);
    }
}

#[inline(always)]
fn step1<V: Lanes>(x: &[V::T; STEP], out: &mut [V::T; STEP], f: &impl Fn(V) -> V) {
    for j in (0..STEP).step_by(V::WIDTH) {
        // SAFETY: WIDTH divides STEP.
        unsafe { f(V::load(x.as_ptr().add(j))).store(out.as_mut_ptr().add(j)) };
    }
}

/// `out[i] = f(a[i], b[i])`
#[inline(always)]
pub fn each2<V: Lanes>(a: &[V::T], b: &[V::T], out: &mut [V::T], f: impl Fn(V, V) -> V) {
    let (xs, rest) = a.as_chunks::<STEP>();
    let (ys, rest_b) = b[..a.len()].as_chunks::<STEP>();
    let (outs, out_rest) = out[..a.len()].as_chunks_mut::<STEP>();
    for ((a, b), out) in xs.iter().zip(ys).zip(outs) {
        step2(a, b, out, &f);
    }
    if !rest.is_empty() {
        let mut part = [V::T::ZERO; STEP];
        step2(&padded(rest, V::T::ZERO), &padded(rest_b, V::T::ZERO), &mut part, &f);
        out_rest.copy_from_slice(&part[..rest.len()]);
    }
}

#[inline(always)]
fn step2<V: Lanes>(a: &[V::T; STEP], b: &[V::T; STEP], out: &mut [V::T; STEP], f: &impl Fn(V, V) -> V) {
    for j in (0..STEP).step_by(V::WIDTH) {
        // SAFETY: WIDTH divides STEP.
        unsafe { f(V::load(a.as_ptr().add(j)), V::load(b.as_ptr().add(j))).store(out.as_mut_ptr().add(j)) };
    }
}

pub(super) struct One<'a, T, M>(pub M, pub &'a [T], pub &'a mut [T]);

impl<T: Real, M: Map1> Task for One<'_, T, M> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        each1(
            self.1,
            self.2,
            #[inline(always)]
            |x: V| self.0.apply(x),
        );
    }
}

struct Two<'a, T, M>(M, &'a [T], &'a [T], &'a mut [T]);

impl<T: Real, M: Map2> Task for Two<'_, T, M> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        each2(
            self.1,
            self.2,
            self.3,
            #[inline(always)]
            |a: V, b: V| self.0.apply(a, b),
        );
    }
}

/// `out[i] = m(x[i])` on the calling thread.
pub fn map1<T: Real, M: Map1>(m: M, x: &[T], out: &mut [T]) {
    assert!(x.len() == out.len());
    T::vectors(One(m, x, out));
}

/// `out[i] = m(a[i], b[i])` on the calling thread.
pub fn map2<T: Real, M: Map2>(m: M, a: &[T], b: &[T], out: &mut [T]) {
    assert!(a.len() == b.len() && a.len() == out.len());
    T::vectors(Two(m, a, b, out));
}

/// Names formulas: `functions! { Exp = |x| x.exp(); }` makes a unit type that is a `Map1`, with two arguments a `Map2`.
macro_rules! functions {
    ($($name:ident = |$x:ident, $y:ident| $e:expr;)*) => { $(
        #[derive(Clone, Copy)]
        pub struct $name;
        impl Map2 for $name {
            #[inline(always)]
            fn apply<V: Lanes>(self, $x: V, $y: V) -> V { $e }
        }
    )* };
    ($($name:ident = |$x:ident| $e:expr;)*) => { $(
        #[derive(Clone, Copy)]
        pub struct $name;
        impl Map1 for $name {
            #[inline(always)]
            fn apply<V: Lanes>(self, $x: V) -> V { $e }
        }
    )* };
}
functions! {
    Exp = |x| x.exp();
    Expm1 = |x| x.expm1();
    Log = |x| x.log();
    Log1p = |x| x.log1p();
    Tanh = |x| x.tanh();
    Erf = |x| x.erf();
    Sigmoid = |x| x.sigmoid();
    Gelu = |x| x.gelu();
    GeluGrad = |x| x.gelu_grad();
    GeluTanh = |x| x.gelu_tanh();
    GeluTanhGrad = |x| x.gelu_tanh_grad();
    Silu = |x| x.silu();
    SiluGrad = |x| x.silu_grad();
    Softplus = |x| x.softplus();
    Mish = |x| x.mish();
    MishGrad = |x| x.mish_grad();
}
functions! {
    Atan2 = |y, x| y.atan2(x);
    Fmod = |a, b| a.fmod(b);
    Remainder = |a, b| a.remainder(b);
    Hypot = |a, b| a.hypot(b);
}
