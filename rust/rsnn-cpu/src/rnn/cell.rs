//! Gates of one row in the lanes of vector math: forward values in place, backward gradients. All slices have one length.
use crate::vmath::{Lanes, Real, STEP, padded};

/// `writes = f(reads, writes)` for each element; the last, short vector goes through a buffer.
#[inline(always)]
fn each<V: Lanes, const R: usize, const W: usize>(
    reads: [&[V::T]; R],
    writes: [&mut [V::T]; W],
    f: impl Fn([V; R], [V; W]) -> [V; W],
) {
    let n = writes.first().map_or(0, |w| w.len());
    assert!(reads.iter().all(|r| r.len() == n) && writes.iter().all(|w| w.len() == n));
    let whole = n / V::WIDTH * V::WIDTH;
    for j in (0..whole).step_by(V::WIDTH) {
        // Plain loops: a closure given to `map` may stay outside the function that has the vector's features.
        let (mut x, mut y) = ([V::c(0.0); R], [V::c(0.0); W]);
        // SAFETY: a whole vector from j on lies in every slice.
        unsafe {
            for k in 0..R {
                x[k] = V::load(reads[k].as_ptr().add(j));
            }
            for k in 0..W {
                y[k] = V::load(writes[k].as_ptr().add(j));
            }
            y = f(x, y);
            for k in 0..W {
                y[k].store(writes[k].as_mut_ptr().add(j));
            }
        }
    }
    if whole < n {
        const { assert!(V::WIDTH <= STEP) };
        let (mut x, mut y) = ([V::c(0.0); R], [V::c(0.0); W]);
        let mut out = [V::T::ZERO; STEP];
        // SAFETY: the buffers are at least as long as a vector.
        unsafe {
            for k in 0..R {
                x[k] = V::load(padded(&reads[k][whole..], V::T::ZERO).as_ptr());
            }
            for k in 0..W {
                y[k] = V::load(padded(&writes[k][whole..], V::T::ZERO).as_ptr());
            }
            y = f(x, y);
            for k in 0..W {
                y[k].store(out.as_mut_ptr());
                writes[k][whole..].copy_from_slice(&out[..n - whole]);
            }
        }
    }
}

/// `writes` are the gates i, f, g, o, which become their activations, and the new `c = f c' + i g` and `h = o tanh(c)`.
#[inline(always)]
pub fn lstm<V: Lanes>(c_before: &[V::T], writes: [&mut [V::T]; 6]) {
    each(
        [c_before],
        writes,
        #[inline(always)]
        |[c_before]: [V; 1], [i, f, g, o, _, _]| {
            let (i, f, g, o) = (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid());
            let c = f.fma(c_before, i * g);
            [i, f, g, o, c, o * c.tanh()]
        },
    );
}

/// `writes` are r, z, n, m, h: `n` holds the projected input and becomes the candidate `tanh(n + r m)`, `m` (the projected
/// state) gains its bias; `h = n + z (h' - n)`.
#[inline(always)]
pub fn gru<V: Lanes>(bias: &[V::T], h_before: &[V::T], writes: [&mut [V::T]; 5]) {
    each(
        [bias, h_before],
        writes,
        #[inline(always)]
        |[bias, h_before]: [V; 2], [r, z, n, m, _]| {
            let (r, z, m) = (r.sigmoid(), z.sigmoid(), m + bias);
            let n = r.fma(m, n).tanh();
            [r, z, n, m, z.fma(h_before - n, n)]
        },
    );
}

/// The gate and the state `tanh(g)`.
#[inline(always)]
pub fn tanh<V: Lanes>(writes: [&mut [V::T]; 2]) {
    each(
        [],
        writes,
        #[inline(always)]
        |_: [V; 0], [g, _]| [g.tanh(); 2],
    );
}

/// The gate and the state `relu(g)`; a NaN stays.
#[inline(always)]
pub fn relu<V: Lanes>(writes: [&mut [V::T]; 2]) {
    each(
        [],
        writes,
        #[inline(always)]
        |_: [V; 0], [g, _]| [V::c(0.0).max(g); 2],
    );
}

/// From i, f, g, o, c', c and the gradient of h: `writes` are the gradient of c, which becomes that of c', and those before
/// the activations of i, f, g, o.
#[inline(always)]
pub fn lstm_backward<V: Lanes>(reads: [&[V::T]; 7], writes: [&mut [V::T]; 5]) {
    each(
        reads,
        writes,
        #[inline(always)]
        |[i, f, g, o, c_before, c, dh]: [V; 7], [dc, ..]| {
            let (one, t) = (V::c(1.0), c.tanh());
            let through = dh * o;
            let d = through.fma(one - t * t, dc);
            let (di, df) = (d * g * i * (one - i), d * c_before * f * (one - f));
            [d * f, di, df, d * i * (one - g * g), through * t * (one - o)]
        },
    );
}

/// From r, z, n, m, h': `writes` are the gradient of h, of which the part that goes straight to h' is left, and those before
/// the activations of r, z, of m, and of the candidate.
#[inline(always)]
pub fn gru_backward<V: Lanes>(reads: [&[V::T]; 5], writes: [&mut [V::T]; 5]) {
    each(
        reads,
        writes,
        #[inline(always)]
        |[r, z, n, m, h_before]: [V; 5], [dh, ..]| {
            let one = V::c(1.0);
            let rest = one - z;
            let dn = dh * rest * (one - n * n);
            let straight = dh * z;
            [straight, dn * m * r * (one - r), straight * (h_before - n) * rest, dn * r, dn]
        },
    );
}

/// From the state and its gradient to that before tanh.
#[inline(always)]
pub fn tanh_backward<V: Lanes>(reads: [&[V::T]; 2], dg: &mut [V::T]) {
    each(
        reads,
        [dg],
        #[inline(always)]
        |[h, dh]: [V; 2], _| [dh * (V::c(1.0) - h * h)],
    );
}

/// The same for relu.
#[inline(always)]
pub fn relu_backward<V: Lanes>(reads: [&[V::T]; 2], dg: &mut [V::T]) {
    each(
        reads,
        [dg],
        #[inline(always)]
        |[h, dh]: [V; 2], _| [V::select(V::c(0.0).lt(h), dh, V::c(0.0))],
    );
}

/// `o tanh(c)`, which a projection multiplies.
#[inline(always)]
pub fn lstm_state<V: Lanes>(reads: [&[V::T]; 2], h: &mut [V::T]) {
    each(
        reads,
        [h],
        #[inline(always)]
        |[o, c]: [V; 2], _| [o * c.tanh()],
    );
}
