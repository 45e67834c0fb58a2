//! The backward pass of one layer and direction: gradients of the gates step by step, then one product for each weight.
use super::{Cell, Layer, Mat, Step, cell, for_units, spaced};
use crate::gemm::{Epilogue, Gemm, GemmScalar, Prepacked, Rows, gemm, prepacked};
use crate::rows::column_sums;
use crate::vmath::{Lanes, Task};
use std::ops::Range;

/// What the forward pass kept, see `Outputs`.
#[derive(Clone, Copy)]
pub struct Saved<'a, T> {
    pub states: &'a [T],
    pub gates: &'a [T],
    pub cell: &'a [T],
}

/// Gradients of the results; absent ones are zero.
#[derive(Clone, Copy)]
pub struct Incoming<'a, T> {
    pub y: Option<&'a [T]>,
    pub hn: Option<&'a [T]>,
    pub cn: Option<&'a [T]>,
}

/// Gradients that are wanted.
#[derive(Default)]
pub struct Grads<'a, T> {
    pub x: Option<&'a mut [T]>,
    pub h0: Option<&'a mut [T]>,
    pub c0: Option<&'a mut [T]>,
    pub w_ih: Option<&'a mut [T]>,
    pub w_hh: Option<&'a mut [T]>,
    pub b_ih: Option<&'a mut [T]>,
    pub b_hh: Option<&'a mut [T]>,
    pub w_hr: Option<&'a mut [T]>,
}

/// Columns of a row of gate gradients: the gates' own, and for a GRU the candidate's as its input sees it.
fn grad_cols<T: GemmScalar>(l: &Layer<T>) -> usize {
    l.gate_cols() + if l.cell == Cell::Gru { l.hidden } else { 0 }
}

/// Elements of working memory: gate gradients, and for a projection its input and the gradient of its result.
pub fn scratch_len<T: GemmScalar>(l: &Layer<T>) -> usize {
    let (rows, out) = (l.rows(), l.out());
    rows * (spaced(grad_cols(l)) + if l.w_hr.is_some() { l.hidden + out } else { 0 })
}

/// Where one pass reads and writes.
struct Pass<'a, T: GemmScalar> {
    l: &'a Layer<'a, T>,
    states: Mat<T>,
    gates: Mat<T>,
    cell: Mat<T>,
    c0: Mat<T>,
    dy: Option<Mat<T>>,
    /// Gradients of the state between steps: (batch, out), (batch, hidden).
    dh: Mat<T>,
    dc: Mat<T>,
    /// Gradients of the gates, all steps.
    dg: Mat<T>,
    /// With a projection: the state before it and the gradient after it (all steps), the gradient before it (one step).
    wide: Mat<T>,
    dout: Mat<T>,
    dwide: Mat<T>,
}

/// Computes the wanted gradients.
pub fn backward<T: GemmScalar>(
    l: &Layer<T>,
    saved: Saved<T>,
    incoming: Incoming<T>,
    grads: Grads<T>,
    scratch: &mut [T],
) {
    l.check();
    let (rows, batch, out, hidden) = (l.rows(), l.batch(), l.out(), l.hidden);
    assert!(scratch.len() >= scratch_len(l) && saved.states.len() == rows * spaced(out));
    assert!(saved.gates.len() == rows * l.gate_cols());
    let mut dh = incoming.hn.map_or_else(|| vec![T::ZERO; batch * out], <[T]>::to_vec);
    let lstm = usize::from(l.cell == Cell::Lstm);
    let mut dc = incoming.cn.map_or_else(|| vec![T::ZERO; batch * hidden * lstm], <[T]>::to_vec);
    let projected = usize::from(l.w_hr.is_some());
    let mut dwide = vec![T::ZERO; batch * hidden * projected];
    let ld = spaced(grad_cols(l));
    let (dg, rest) = scratch.split_at_mut(rows * ld);
    let (wide, rest) = rest.split_at_mut(rows * hidden * projected);
    let dout = &mut rest[..rows * out * projected];
    let pass = Pass {
        l,
        states: Mat::of(saved.states, spaced(out)),
        gates: Mat::of(saved.gates, l.gate_cols()),
        cell: Mat::of(saved.cell, hidden),
        c0: Mat::of(l.c0, hidden),
        dy: incoming.y.map(|y| Mat::of(y, out)),
        dh: Mat::new(&mut dh, out),
        dc: Mat::new(&mut dc, hidden),
        dg: Mat::new(dg, ld),
        wide: Mat::new(wide, hidden),
        dout: Mat::new(dout, out),
        dwide: Mat::new(&mut dwide, hidden),
    };
    pass.run(grads.h0.is_some());
    for (to, from) in [(grads.h0, &dh), (grads.c0, &dc)] {
        if let Some(to) = to {
            to.copy_from_slice(from);
        }
    }
    weights(l, saved.states, (dg, ld), (grads.w_ih, grads.w_hh));
    inputs(l, (dg, ld), grads.x);
    biases(l, (dg, ld), (grads.b_ih, grads.b_hh));
    if let Some(w) = grads.w_hr {
        // (out, rows) x (rows, hidden)
        product((out, hidden, rows), (dout.as_ptr(), 1, out), (wide.as_ptr(), hidden), (w, false));
    }
}

/// `C (+)= A B` with row-major B and C; A's strides are given.
fn product<T: GemmScalar>(
    (m, n, k): (usize, usize, usize),
    a: (*const T, usize, usize),
    b: (*const T, usize),
    (c, accumulate): (&mut [T], bool),
) {
    assert!(c.len() == m * n);
    let job = Gemm {
        m,
        n,
        k,
        a: a.0,
        a_rs: a.1 as isize,
        a_cs: a.2 as isize,
        b: b.0,
        b_rs: b.1 as isize,
        b_cs: 1,
        c: c.as_mut_ptr(),
        c_rs: n as isize,
        alpha: T::ONE,
        accumulate,
        epilogue: Epilogue::None,
    };
    // SAFETY: callers pass operands of these shapes, `check` and the assertions of `backward` have seen the lengths.
    unsafe { gemm(&job) };
}

/// Parts of the gates whose gradients the input sees: (first row of the weight, columns of the gradient).
fn input_parts<T: GemmScalar>(l: &Layer<T>) -> Vec<(usize, Range<usize>)> {
    let h = l.hidden;
    if l.cell == Cell::Gru { vec![(0, 0..2 * h), (2 * h, 3 * h..4 * h)] } else { vec![(0, 0..l.gate_cols())] }
}

fn weights<T: GemmScalar>(
    l: &Layer<T>,
    states: &[T],
    (dg, ld): (&[T], usize),
    (w_ih, w_hh): (Option<&mut [T]>, Option<&mut [T]>),
) {
    let (rows, out) = (l.rows(), l.out());
    if let Some(w) = w_ih {
        for (row, cols) in input_parts(l) {
            let part = &mut w[row * l.input..][..cols.len() * l.input];
            let a = (dg.as_ptr().wrapping_add(cols.start), 1, ld);
            product((cols.len(), l.input, rows), a, (l.x.as_ptr(), l.input), (part, false));
        }
    }
    if let Some(w) = w_hh {
        product((l.gate_cols(), out, rows), (dg.as_ptr(), 1, ld), (states.as_ptr(), spaced(out)), (w, false));
    }
}

fn inputs<T: GemmScalar>(l: &Layer<T>, (dg, ld): (&[T], usize), x: Option<&mut [T]>) {
    let Some(x) = x else { return };
    for (row, cols) in input_parts(l) {
        let a = (dg.as_ptr().wrapping_add(cols.start), ld, 1);
        let b = (l.w_ih[row * l.input..].as_ptr(), l.input);
        product((l.rows(), l.input, cols.len()), a, b, (x, row > 0));
    }
}

fn biases<T: GemmScalar>(l: &Layer<T>, (dg, ld): (&[T], usize), (b_ih, b_hh): (Option<&mut [T]>, Option<&mut [T]>)) {
    if b_ih.is_none() && b_hh.is_none() {
        return;
    }
    let cols = grad_cols(l);
    let sums = column_sums(
        l.rows(),
        cols,
        cols,
        #[inline(always)]
        |row, acc: &mut [T]| acc.iter_mut().zip(&dg[row * ld..][..cols]).for_each(|(a, v)| *a += *v),
    );
    if let Some(b) = b_hh {
        b.iter_mut().zip(&sums).for_each(|(b, s)| *b = T::from_f64(*s));
    }
    if let Some(b) = b_ih {
        for (row, cols) in input_parts(l) {
            b[row..].iter_mut().zip(&sums[cols]).for_each(|(b, s)| *b = T::from_f64(*s));
        }
    }
}

impl<T: GemmScalar> Pass<'_, T> {
    fn run(&self, wants_h0: bool) {
        let l = self.l;
        let (out, hidden) = (l.out(), l.hidden);
        // SAFETY: `w_hh` is (gates * hidden, out), `w_hr` (out, hidden), both row-major.
        unsafe {
            prepacked((l.w_hh.as_ptr(), out as isize, 1), (l.gate_cols(), out, 1), l.packs(), |w| match l.w_hr {
                None => self.steps(w, None, wants_h0),
                Some(r) => prepacked((r.as_ptr(), hidden as isize, 1), (out, hidden, 1), l.packs(), |r| {
                    self.steps(w, Some(r), wants_h0)
                }),
            });
        }
    }

    fn steps(&self, w: &Prepacked<T>, projection: Option<&Prepacked<T>>, wants_h0: bool) {
        let l = self.l;
        let steps = l.steps();
        for step in steps.iter().rev() {
            let work = step.n * l.w_hh.len();
            for_units(l.out(), w.panel(), work, |cols| {
                self.carry(w, step.after, step.after_n, cols.clone());
                match projection {
                    None => self.gates(step, self.dh, cols),
                    Some(_) => self.outgoing(step, cols),
                }
            });
            if let Some(r) = projection {
                for_units(l.hidden, r.panel(), step.n * l.out() * l.hidden, |units| {
                    let rows = Rows {
                        m: step.n,
                        a: self.dout.at(step.row, 0),
                        a_rs: self.dout.ld,
                        c: self.dwide.at(0, 0),
                        c_rs: self.dwide.ld,
                        accumulate: false,
                    };
                    // SAFETY: each task writes its own columns.
                    unsafe { r.columns(0, rows, units.clone()) };
                    self.gates(step, self.dwide, units);
                });
            }
        }
        if wants_h0 {
            let work = l.batch() * l.w_hh.len();
            let (row, n) = steps.first().map_or((0, 0), |s| (s.row, s.n));
            for_units(l.out(), w.panel(), work, |cols| self.carry(w, row, n, cols));
        }
    }

    /// Gradients of the states that the `n` rows from `row` on started from: columns `cols` of `dg w_hh`.
    fn carry(&self, w: &Prepacked<T>, row: usize, n: usize, cols: Range<usize>) {
        let rows = Rows {
            m: n,
            a: self.dg.at(row, 0),
            a_rs: self.dg.ld,
            c: self.dh.at(0, 0),
            c_rs: self.dh.ld,
            // A GRU has left there what reaches the state past the gates.
            accumulate: self.l.cell == Cell::Gru,
        };
        // SAFETY: each task writes its own columns; the gradients of these rows are complete.
        unsafe { w.columns(0, rows, cols) };
    }

    /// The whole gradient of a projected state.
    fn outgoing(&self, step: &Step, cols: Range<usize>) {
        for row in 0..step.n {
            // SAFETY: each task writes its own columns.
            unsafe {
                let d = self.dout.write(step.row + row, cols.clone());
                d.copy_from_slice(self.dh.read(row, cols.clone()));
                if let Some(dy) = self.dy {
                    d.iter_mut().zip(dy.read(step.row + row, cols.clone())).for_each(|(d, y)| *d += *y);
                }
            }
        }
    }

    /// Gradients of the gates of some units from the gradient of their state.
    fn gates(&self, step: &Step, state: Mat<T>, units: Range<usize>) {
        T::vectors(Gradients { pass: self, step, state, units });
    }

    /// Units of gate `s`.
    ///
    /// # Safety
    /// As for `Mat::read`.
    #[inline(always)]
    unsafe fn gate<'a>(&self, row: usize, s: usize, units: &Range<usize>) -> &'a [T] {
        let first = s * self.l.hidden;
        // SAFETY: the caller's promise.
        unsafe { self.gates.read(row, first + units.start..first + units.end) }
    }

    /// Their gradients.
    ///
    /// # Safety
    /// As for `Mat::write`.
    #[inline(always)]
    unsafe fn grad<'a>(&self, row: usize, s: usize, units: &Range<usize>) -> &'a mut [T] {
        let first = s * self.l.hidden;
        // SAFETY: the caller's promise.
        unsafe { self.dg.write(row, first + units.start..first + units.end) }
    }

    /// # Safety
    /// No other task works on these units of the step.
    #[inline(always)]
    unsafe fn gates_of_row<V: Lanes<T = T>>(&self, step: &Step, row: usize, state: Mat<T>, units: Range<usize>) {
        let (l, at) = (self.l, step.row + row);
        // SAFETY: the caller's promise.
        unsafe {
            let dh = state.write(row, units.clone());
            if let (None, Some(dy)) = (l.w_hr, self.dy) {
                dh.iter_mut().zip(dy.read(at, units.clone())).for_each(|(d, y)| *d += *y);
            }
            match l.cell {
                Cell::Lstm => {
                    let (c, dc) = (self.cell.read(at, units.clone()), self.dc.write(row, units.clone()));
                    let c_before = match row < step.before_n {
                        true => self.cell.read(step.before + row, units.clone()),
                        false => self.c0.read(row, units.clone()),
                    };
                    let [i, f, g, o] = [0, 1, 2, 3].map(|s| self.gate(at, s, &units));
                    let [di, df, dg, d_o] = [0, 1, 2, 3].map(|s| self.grad(at, s, &units));
                    cell::lstm_backward::<V>([i, f, g, o, c_before, c, dh], [dc, di, df, dg, d_o]);
                    if l.w_hr.is_some() {
                        cell::lstm_state::<V>([o, c], self.wide.write(at, units));
                    }
                }
                Cell::Gru => {
                    let [r, z, n] = [0, 1, 2].map(|s| self.gate(at, s, &units));
                    let [dr, dz, dm, dn] = [0, 1, 2, 3].map(|s| self.grad(at, s, &units));
                    let (m, h_before) = (self.cell.read(at, units.clone()), self.states.read(at, units));
                    cell::gru_backward::<V>([r, z, n, m, h_before], [dh, dr, dz, dm, dn]);
                }
                Cell::Tanh => cell::tanh_backward::<V>([self.gate(at, 0, &units), dh], self.grad(at, 0, &units)),
                Cell::Relu => cell::relu_backward::<V>([self.gate(at, 0, &units), dh], self.grad(at, 0, &units)),
            }
        }
    }
}

/// The gradients of the gates of some units of a step, in the machine's lanes.
struct Gradients<'a, 'b, T: GemmScalar> {
    pass: &'a Pass<'b, T>,
    step: &'a Step,
    state: Mat<T>,
    units: Range<usize>,
}

impl<T: GemmScalar> Task for Gradients<'_, '_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        for row in 0..self.step.n {
            // SAFETY: each task works on its own units of this step.
            unsafe { self.pass.gates_of_row::<V>(self.step, row, self.state, self.units.clone()) };
        }
    }
}
