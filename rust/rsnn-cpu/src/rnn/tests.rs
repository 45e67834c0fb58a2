use super::*;

/// Everything a layer reads, with values that do not repeat.
struct Data {
    cell: Cell,
    sizes: Vec<usize>,
    reverse: bool,
    input: usize,
    hidden: usize,
    /// x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr
    parts: [Vec<f64>; 8],
}

impl Data {
    fn new(cell: Cell, sizes: &[usize], reverse: bool, (input, hidden, projected): (usize, usize, usize)) -> Data {
        let mut seed = 7u32;
        let mut fill = |n: usize| -> Vec<f64> {
            let mut next = || {
                seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
                f64::from(seed >> 8) / 8388608.0 - 1.0
            };
            (0..n).map(|_| next()).collect()
        };
        let (rows, batch, gates) = (sizes.iter().sum::<usize>(), sizes[0], cell.gates() * hidden);
        let out = if projected > 0 { projected } else { hidden };
        let c0 = if cell == Cell::Lstm { batch * hidden } else { 0 };
        let lengths = [rows * input, batch * out, c0, gates * input, gates * out, gates, gates, projected * hidden];
        let parts = lengths.map(&mut fill);
        Data { cell, sizes: sizes.to_vec(), reverse, input, hidden, parts }
    }

    fn layer(&self) -> Layer<'_, f64> {
        let [x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr] = &self.parts;
        Layer {
            cell: self.cell,
            sizes: &self.sizes,
            reverse: self.reverse,
            input: self.input,
            hidden: self.hidden,
            x,
            h0,
            c0,
            w_ih,
            w_hh,
            bias: Some((b_ih, b_hh)),
            w_hr: (!w_hr.is_empty()).then_some(&w_hr[..]),
        }
    }

    /// y, hn, cn, states, gates, cell
    fn forward(&self) -> [Vec<f64>; 6] {
        let l = self.layer();
        let (rows, batch, out) = (l.rows(), l.batch(), l.out());
        let keeps = if matches!(l.cell, Cell::Lstm | Cell::Gru) { rows * l.hidden } else { 0 };
        let states = rows * spaced(out);
        let mut o =
            [rows * out, batch * out, l.c0.len(), states, rows * l.gate_cols(), keeps].map(|n| vec![f64::NAN; n]);
        let [y, hn, cn, states, gates, cell] = &mut o;
        forward(&l, Outputs { y, hn, cn, states, gates, cell });
        o
    }

    /// A loss that weights every result differently, from plain loops over one sequence at a time.
    fn naive(&self) -> (Vec<f64>, Vec<f64>) {
        let l = self.layer();
        let (out, h) = (l.out(), l.hidden);
        let (mut y, mut hn) = (vec![0.0; l.rows() * out], vec![0.0; l.batch() * out]);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for i in 0..l.batch() {
            let mut state = l.h0[i * out..(i + 1) * out].to_vec();
            let mut c = if l.c0.is_empty() { vec![] } else { l.c0[i * h..(i + 1) * h].to_vec() };
            for step in l.steps().iter().filter(|s| i < s.n) {
                let x = &l.x[(step.row + i) * l.input..][..l.input];
                let (b_ih, b_hh) = l.bias.unwrap();
                let at_x = |r: usize| dot(&l.w_ih[r * l.input..][..l.input], x) + b_ih[r];
                let at_h = |r: usize| dot(&l.w_hh[r * out..][..out], &state) + b_hh[r];
                let mut new: Vec<f64> = (0..h)
                    .map(|u| match l.cell {
                        Cell::Tanh => (at_x(u) + at_h(u)).tanh(),
                        Cell::Relu => (at_x(u) + at_h(u)).max(0.0),
                        Cell::Gru => {
                            let r = sigmoid(at_x(u) + at_h(u));
                            let z = sigmoid(at_x(h + u) + at_h(h + u));
                            let n = (at_x(2 * h + u) + r * at_h(2 * h + u)).tanh();
                            (1.0 - z) * n + z * state[u]
                        }
                        Cell::Lstm => {
                            let g = |s: usize| at_x(s * h + u) + at_h(s * h + u);
                            c[u] = sigmoid(g(1)) * c[u] + sigmoid(g(0)) * g(2).tanh();
                            sigmoid(g(3)) * c[u].tanh()
                        }
                    })
                    .collect();
                if let Some(w) = l.w_hr {
                    new = (0..out).map(|p| dot(&w[p * h..][..h], &new)).collect();
                }
                state = new;
                y[(step.row + i) * out..][..out].copy_from_slice(&state);
            }
            hn[i * out..][..out].copy_from_slice(&state);
        }
        (y, hn)
    }
}

/// Weight of element `i` in the test's loss.
fn weight(i: usize) -> f64 {
    (i as f64 * 0.7 + 0.3).cos()
}

fn cases() -> Vec<Data> {
    let mut all = vec![];
    for cell in [Cell::Lstm, Cell::Gru, Cell::Tanh, Cell::Relu] {
        for reverse in [false, true] {
            for sizes in [&[3][..], &[2, 2, 2, 2, 2], &[3, 3, 2, 1, 1]] {
                all.push(Data::new(cell, sizes, reverse, (2, 5, 0)));
                if cell == Cell::Lstm {
                    all.push(Data::new(cell, sizes, reverse, (2, 5, 3)));
                }
            }
        }
    }
    // Large enough for tasks, units that fill no whole panel.
    all.push(Data::new(Cell::Lstm, &[9, 9, 8, 8], false, (4, 130, 0)));
    all.push(Data::new(Cell::Gru, &[9, 9, 8, 8], true, (4, 150, 0)));
    all
}

#[test]
fn rnn_forward_is_the_plain_recurrence() {
    for d in cases() {
        let [y, hn, ..] = d.forward();
        let (expected, last) = d.naive();
        for (a, b) in y.iter().chain(&hn).zip(expected.iter().chain(&last)) {
            assert!((a - b).abs() < 1e-12, "{:?} {:?} {}: {a} {b}", d.cell, d.sizes, d.reverse);
        }
    }
}

#[test]
fn rnn_backward_is_the_slope_of_forward() {
    let loss = |d: &Data| -> f64 {
        let [y, hn, cn, ..] = d.forward();
        y.iter().chain(&hn).chain(&cn).enumerate().map(|(i, v)| v * weight(i)).sum()
    };
    for mut d in cases() {
        let saved = d.forward();
        let [y, hn, cn, states, gates, cell] = &saved;
        let (a, b) = (y.len(), y.len() + hn.len());
        let w: Vec<f64> = (0..b + cn.len()).map(weight).collect();
        let mut g = d.parts.clone();
        {
            let l = d.layer();
            let incoming = Incoming { y: Some(&w[..a]), hn: Some(&w[a..b]), cn: (!cn.is_empty()).then_some(&w[b..]) };
            let [x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr] = &mut g;
            let grads = Grads {
                x: Some(x),
                h0: Some(h0),
                c0: Some(c0),
                w_ih: Some(w_ih),
                w_hh: Some(w_hh),
                b_ih: Some(b_ih),
                b_hh: Some(b_hh),
                w_hr: l.w_hr.is_some().then_some(w_hr),
            };
            let mut scratch = vec![f64::NAN; scratch_len(&l)];
            backward(&l, Saved { states, gates, cell }, incoming, grads, &mut scratch);
        }
        for part in 0..8 {
            let n = d.parts[part].len();
            for i in (0..n).step_by(1 + n / 40) {
                let old = d.parts[part][i];
                d.parts[part][i] = old + 1e-6;
                let up = loss(&d);
                d.parts[part][i] = old - 1e-6;
                let slope = (up - loss(&d)) / 2e-6;
                d.parts[part][i] = old;
                let (got, bound) = (g[part][i], 1e-5 * slope.abs().max(1.0));
                assert!((got - slope).abs() < bound, "{:?} {:?} part {part}[{i}]: {got} {slope}", d.cell, d.sizes);
            }
        }
    }
}

#[test]
fn rnn_does_not_depend_on_threads() {
    let d = Data::new(Cell::Lstm, &[9, 9, 8, 8], false, (4, 130, 0));
    let seen = || d.forward().map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    let (threads, together) = (pool::num_threads(), seen());
    pool::set_num_threads(1);
    let alone = seen();
    pool::set_num_threads(threads);
    // The padding of the states is never written.
    assert_eq!(together, alone);
}
