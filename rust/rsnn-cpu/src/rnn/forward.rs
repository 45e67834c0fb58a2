//! The forward pass of one layer and direction.
use super::{Cell, Layer, Mat, Step, cell, for_units, spaced};
use crate::gemm::{Epilogue, Gemm, GemmScalar, Prepacked, Rows, gemm, prepacked};
use crate::vmath::{Lanes, Task};
use std::ops::Range;

/// Results, and what backward needs of them.
pub struct Outputs<'a, T> {
    /// (rows, out)
    pub y: &'a mut [T],
    /// (batch, out)
    pub hn: &'a mut [T],
    /// (batch, hidden) for an LSTM, else empty
    pub cn: &'a mut [T],
    /// (rows, spaced(out)): the state that each row started from
    pub states: &'a mut [T],
    /// (rows, gates * hidden): activations
    pub gates: &'a mut [T],
    /// (rows, hidden): an LSTM's cell states, a GRU's `W_hn h + b_hn`, else empty
    pub cell: &'a mut [T],
}

/// Where one pass reads and writes.
struct Pass<'a, T: GemmScalar> {
    l: &'a Layer<'a, T>,
    y: Mat<T>,
    gates: Mat<T>,
    cell: Mat<T>,
    c0: Mat<T>,
    states: Mat<T>,
    /// One step's states before their projection.
    wide: Mat<T>,
    bias: &'a [T],
}

/// Runs the layer.
pub fn forward<T: GemmScalar>(l: &Layer<T>, o: Outputs<T>) {
    l.check();
    let (rows, batch, out, cols) = (l.rows(), l.batch(), l.out(), l.gate_cols());
    assert!(o.y.len() == rows * out && o.hn.len() == batch * out && o.gates.len() == rows * cols);
    assert!(o.cell.len() == if matches!(l.cell, Cell::Lstm | Cell::Gru) { rows * l.hidden } else { 0 });
    assert!(o.cn.len() == if l.cell == Cell::Lstm { batch * l.hidden } else { 0 });
    assert!(o.states.len() == rows * spaced(out));
    project(l, o.gates);
    let mut wide = vec![T::ZERO; if l.w_hr.is_some() { batch * spaced(l.hidden) } else { 0 }];
    let no_bias = vec![T::ZERO; if l.cell == Cell::Gru && l.bias.is_none() { l.hidden } else { 0 }];
    let bias = l.bias.map_or(&no_bias[..], |(_, b)| &b[cols - l.hidden..]);
    let pass = Pass {
        l,
        y: Mat::new(o.y, out),
        gates: Mat::new(o.gates, cols),
        cell: Mat::new(o.cell, l.hidden),
        c0: Mat::of(l.c0, l.hidden),
        states: Mat::new(o.states, spaced(out)),
        wide: Mat::new(&mut wide, spaced(l.hidden)),
        bias,
    };
    pass.run();
    finals(l, o.y, o.hn, out);
    if l.cell == Cell::Lstm {
        finals(l, o.cell, o.cn, l.hidden);
    }
}

/// `x w_ih^T` with every bias that is added before an activation.
fn project<T: GemmScalar>(l: &Layer<T>, gates: &mut [T]) {
    let cols = l.gate_cols();
    let bias = l.bias.map(|(a, b)| {
        // A GRU adds the recurrent bias of its candidate inside the reset gate.
        let shared = if l.cell == Cell::Gru { 2 * l.hidden } else { cols };
        (0..cols).map(|i| if i < shared { a[i] + b[i] } else { a[i] }).collect::<Vec<T>>()
    });
    let job = Gemm {
        m: l.rows(),
        n: cols,
        k: l.input,
        a: l.x.as_ptr(),
        a_rs: l.input as isize,
        a_cs: 1,
        b: l.w_ih.as_ptr(),
        b_rs: 1,
        b_cs: l.input as isize,
        c: gates.as_mut_ptr(),
        c_rs: cols as isize,
        alpha: T::ONE,
        accumulate: false,
        epilogue: bias.as_deref().map_or(Epilogue::None, Epilogue::Bias),
    };
    // SAFETY: `check` has seen the lengths; the output is `rows x cols`.
    unsafe { gemm(&job) };
}

/// Copies each sequence's last row, in order of computation, to the final state.
fn finals<T: GemmScalar>(l: &Layer<T>, rows: &[T], last: &mut [T], cols: usize) {
    for step in l.steps() {
        let (first, end) = (step.after_n.min(step.n) * cols, step.n * cols);
        last[first..end].copy_from_slice(&rows[step.row * cols..][first..end]);
    }
}

impl<T: GemmScalar> Pass<'_, T> {
    fn run(&self) {
        let l = self.l;
        let (out, hidden, gates) = (l.out(), l.hidden, l.cell.gates());
        // SAFETY: `w_hh` is (gates * hidden, out), read as its transpose; `w_hr` is (out, hidden), likewise.
        unsafe {
            prepacked((l.w_hh.as_ptr(), 1, out as isize), (out, hidden, gates), l.packs(), |w| match l.w_hr {
                None => self.steps(w, None),
                Some(r) => {
                    prepacked((r.as_ptr(), 1, hidden as isize), (hidden, out, 1), l.packs(), |r| self.steps(w, Some(r)))
                }
            });
        }
    }

    fn steps(&self, w: &Prepacked<T>, projection: Option<&Prepacked<T>>) {
        let (l, out) = (self.l, self.l.out());
        for step in &l.steps() {
            for row in step.before_n..step.n {
                // SAFETY: no task runs between steps.
                unsafe { self.states.write(step.row + row, 0..out) }.copy_from_slice(&l.h0[row * out..][..out]);
            }
            for_units(l.hidden, w.panel(), step.n * l.w_hh.len(), |units| self.units(w, step, units));
            if let Some(r) = projection {
                for_units(out, r.panel(), step.n * out * l.hidden, |cols| self.project_state(r, step, cols));
            }
        }
    }

    /// Some columns of `h w_hr^T`.
    fn project_state(&self, w: &Prepacked<T>, step: &Step, cols: Range<usize>) {
        let rows = Rows {
            m: step.n,
            a: self.wide.at(0, 0),
            a_rs: self.wide.ld,
            c: self.y.at(step.row, 0),
            c_rs: self.y.ld,
            accumulate: false,
        };
        // SAFETY: each task writes its columns of the step's output and of the states after it.
        unsafe {
            w.columns(0, rows, cols.clone());
            for row in 0..step.n {
                self.pass_on(step, row, self.y.read(step.row + row, cols.clone()), cols.clone());
            }
        }
    }

    /// Hands some columns of a new state to the step after.
    ///
    /// # Safety
    /// No other task writes these columns.
    #[inline(always)]
    unsafe fn pass_on(&self, step: &Step, row: usize, h: &[T], cols: Range<usize>) {
        if row < step.after_n {
            // SAFETY: the caller's promise.
            unsafe { self.states.write(step.after + row, cols) }.copy_from_slice(h);
        }
    }

    /// The step for some units: their columns of every gate, then the gates themselves.
    fn units(&self, w: &Prepacked<T>, step: &Step, units: Range<usize>) {
        let (l, hidden) = (self.l, self.l.hidden);
        for s in 0..l.cell.gates() {
            // The candidate of a GRU is kept apart: the reset gate multiplies it.
            let apart = l.cell == Cell::Gru && s == 2;
            let (c, c_rs) = match apart {
                true => (self.cell.at(step.row, 0), self.cell.ld),
                false => (self.gates.at(step.row, s * hidden), self.gates.ld),
            };
            let (a, a_rs) = (self.states.at(step.row, 0).cast_const(), self.states.ld);
            let rows = Rows { m: step.n, a, a_rs, c, c_rs, accumulate: !apart };
            // SAFETY: each task writes its columns of the gates; nobody writes this step's states.
            unsafe { w.columns(s, rows, units.clone()) };
        }
        T::vectors(Activations { pass: self, step, units });
    }

    /// Units of gate `s`.
    ///
    /// # Safety
    /// Nobody else touches them during the borrow.
    #[inline(always)]
    unsafe fn gate<'a>(&self, row: usize, s: usize, units: &Range<usize>) -> &'a mut [T] {
        let first = s * self.l.hidden;
        // SAFETY: the caller's promise.
        unsafe { self.gates.write(row, first + units.start..first + units.end) }
    }

    /// # Safety
    /// No other task works on these units of the step.
    #[inline(always)]
    unsafe fn activate<V: Lanes<T = T>>(&self, step: &Step, row: usize, units: Range<usize>) {
        let (l, at) = (self.l, step.row + row);
        // SAFETY: the caller's promise.
        unsafe {
            let h = match l.w_hr {
                Some(_) => self.wide.write(row, units.clone()),
                None => self.y.write(at, units.clone()),
            };
            match l.cell {
                Cell::Lstm => {
                    let before = if row < step.before_n {
                        self.cell.read(step.before + row, units.clone())
                    } else {
                        self.c0.read(row, units.clone())
                    };
                    let c = self.cell.write(at, units.clone());
                    let (i, f) = (self.gate(at, 0, &units), self.gate(at, 1, &units));
                    cell::lstm::<V>(before, [i, f, self.gate(at, 2, &units), self.gate(at, 3, &units), c, &mut *h]);
                }
                Cell::Gru => {
                    let (m, bias) = (self.cell.write(at, units.clone()), &self.bias[units.clone()]);
                    let (r, z, n) = (self.gate(at, 0, &units), self.gate(at, 1, &units), self.gate(at, 2, &units));
                    cell::gru::<V>(bias, self.states.read(at, units.clone()), [r, z, n, m, &mut *h]);
                }
                Cell::Tanh => cell::tanh::<V>([self.gate(at, 0, &units), &mut *h]),
                Cell::Relu => cell::relu::<V>([self.gate(at, 0, &units), &mut *h]),
            }
            if l.w_hr.is_none() {
                self.pass_on(step, row, h, units);
            }
        }
    }
}

/// The gates of some units of a step, in the machine's lanes.
struct Activations<'a, 'b, T: GemmScalar> {
    pass: &'a Pass<'b, T>,
    step: &'a Step,
    units: Range<usize>,
}

impl<T: GemmScalar> Task for Activations<'_, '_, T> {
    type T = T;
    type Out = ();
    #[inline(always)]
    fn run<V: Lanes<T = T>>(self) {
        for row in 0..self.step.n {
            // SAFETY: each task touches only its units of this step and reads those of the step before.
            unsafe { self.pass.activate::<V>(self.step, row, self.units.clone()) };
        }
    }
}
