//! A recurrent layer in smaller ops: the kernels' oracle, the road to second derivatives and to other devices.
use super::{Cell, Rnn};
use crate::elementwise::{add, mul, sub};
use crate::join::{cat, chunk};
use crate::linear::linear;
use crate::op::Tensors;
use crate::tensor::Tensor;
use crate::{unary, view};
use rsnn_core::Result;

fn apply(name: &str, x: &Tensor) -> Result<Tensor> {
    unary::apply_named(name, x)
}

/// One layer's weights.
struct Weights<'a> {
    w_ih: &'a Tensor,
    w_hh: &'a Tensor,
    b_ih: Option<&'a Tensor>,
    b_hh: Option<&'a Tensor>,
    w_hr: Option<&'a Tensor>,
}

/// States between steps: hidden, and the cell of an LSTM.
type State = Vec<Tensor>;

fn step(cell: Cell, projected: &Tensor, state: &[Tensor], w: &Weights) -> Result<State> {
    let from_state = linear(&state[0], w.w_hh, w.b_hh)?;
    match cell {
        Cell::Tanh => Ok(vec![apply("tanh", &add(projected, &from_state)?)?]),
        Cell::Relu => Ok(vec![apply("relu", &add(projected, &from_state)?)?]),
        Cell::Gru => {
            let (x, h) = (chunk(projected, 3, -1)?, chunk(&from_state, 3, -1)?);
            let r = apply("sigmoid", &add(&x[0], &h[0])?)?;
            let z = apply("sigmoid", &add(&x[1], &h[1])?)?;
            let n = apply("tanh", &add(&x[2], &mul(&r, &h[2])?)?)?;
            Ok(vec![add(&n, &mul(&z, &sub(&state[0], &n)?)?)?])
        }
        Cell::Lstm => {
            let gates = chunk(&add(projected, &from_state)?, 4, -1)?;
            let (i, f) = (apply("sigmoid", &gates[0])?, apply("sigmoid", &gates[1])?);
            let (g, o) = (apply("tanh", &gates[2])?, apply("sigmoid", &gates[3])?);
            let c = add(&mul(&f, &state[1])?, &mul(&i, &g)?)?;
            let h = mul(&o, &apply("tanh", &c)?)?;
            Ok(vec![w.w_hr.map_or(Ok(h.clone()), |w| linear(&h, w, None))?, c])
        }
    }
}

/// Rows `from..to`.
fn rows(x: &Tensor, from: usize, to: usize) -> Result<Tensor> {
    if (from, to) == (0, x.shape()[0]) {
        return Ok(x.clone());
    }
    view::narrow(x, 0, from as i64, (to - from) as i64)
}

fn joined(parts: &[Tensor]) -> Result<Tensor> {
    if parts.len() == 1 { Ok(parts[0].clone()) } else { cat(parts, 0) }
}

pub(super) fn meaning(op: &Rnn, ins: &[Tensor]) -> Result<Tensors> {
    let at = op.weights_at();
    let bias = |i: usize| op.bias.then(|| &ins[at + i]);
    let w = Weights {
        w_ih: &ins[at],
        w_hh: &ins[at + 1],
        b_ih: bias(2),
        b_hh: bias(3),
        w_hr: op.projected.then(|| &ins[op.projection_at()]),
    };
    let projected = linear(&ins[0], w.w_ih, w.b_ih)?;
    let initial = &ins[1..at];
    let mut starts: Vec<(usize, usize)> = Vec::with_capacity(op.sizes.len());
    op.sizes.iter().fold(0, |row, &n| {
        starts.push((row, n));
        row + n
    });
    if op.reverse {
        starts.reverse();
    }
    let mut state: State = vec![];
    // Parts of the final states, from the last rows to the first.
    let mut ended: Vec<State> = vec![];
    let mut outputs = vec![];
    for (row, n) in starts {
        let known = state.first().map_or(0, |s| s.shape()[0]);
        if n < known {
            ended.push(state.iter().map(|s| rows(s, n, known)).collect::<Result<_>>()?);
            state = state.iter().map(|s| rows(s, 0, n)).collect::<Result<_>>()?;
        } else if n > known {
            let fresh = initial.iter().map(|s| rows(s, known, n)).collect::<Result<Vec<_>>>()?;
            let all = state.iter().zip(&fresh).map(|(s, f)| joined(&[s.clone(), f.clone()])).collect::<Result<_>>()?;
            state = if known == 0 { fresh } else { all };
        }
        state = step(op.cell, &rows(&projected, row, row + n)?, &state, &w)?;
        outputs.push(state[0].clone());
    }
    if op.reverse {
        outputs.reverse();
    }
    ended.push(state);
    ended.reverse();
    let mut results: Tensors = smallvec::smallvec![joined(&outputs)?];
    for i in 0..initial.len() {
        let parts: Vec<Tensor> = ended.iter().map(|s| s[i].clone()).collect();
        results.push(joined(&parts)?);
    }
    Ok(results)
}
