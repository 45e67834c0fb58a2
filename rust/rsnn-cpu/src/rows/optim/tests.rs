use super::*;

fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut s = seed | 1;
    let mut next = || {
        s = s.wrapping_mul(1664525).wrapping_add(1013904223);
        (s >> 8) as f32 / 8388608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

const SIZES: [usize; 5] = [0, 1, 65, 40_000, 7];

/// One Adam step of several parameters, by the driver.
fn stepped<P: Stored>(make: impl Fn(&[f32]) -> Vec<P>, amsgrad: bool) -> Vec<Vec<P>> {
    let mut all: Vec<Vec<Vec<P>>> = SIZES
        .iter()
        .map(|&n| {
            (0..5)
                .map(|k| make(&noise(n, 9 + k).iter().map(|v| if k > 2 { v.abs() } else { *v }).collect::<Vec<_>>()))
                .collect()
        })
        .collect();
    let betas = (0.9, 0.99);
    let family = Family { lr: 0.1, betas, eps: 1e-8, weight_decay: 0.2, decoupled: true, maximize: true, rate: 0.0 };
    let rule = Adam::new(family, amsgrad, 3.0);
    let items = all
        .iter_mut()
        .map(|t| {
            let [p, g, m, v, top] = &mut t[..] else { unreachable!() };
            Item { param: p, grad: g, state: [m, v, if amsgrad { top } else { &mut [] }] }
        })
        .collect();
    step(items, &[rule; SIZES.len()]);
    all.into_iter().flat_map(|t| t.into_iter().step_by(2).collect::<Vec<_>>()).collect()
}

/// The same by the formula, in f64.
fn expected(amsgrad: bool) -> Vec<Vec<f64>> {
    let mut out = vec![];
    for n in SIZES {
        let t: Vec<Vec<f64>> = (0..5).map(|k| noise(n, 9 + k).into_iter().map(f64::from).collect()).collect();
        let (mut p, mut m, mut top) = (vec![], vec![], vec![]);
        for i in 0..n {
            let g = -t[1][i];
            m.push(t[2][i] * 0.9 + 0.1 * g);
            let v = t[3][i].abs() * 0.99 + 0.01 * g * g;
            let most = if amsgrad { v.max(t[4][i].abs()) } else { v };
            top.push(if amsgrad { most } else { t[4][i].abs() });
            let denominator = most.sqrt() / (1.0 - 0.99f64.powi(3)).sqrt() + 1e-8;
            p.push(t[0][i] * (1.0 - 0.1 * 0.2) - 0.1 / (1.0 - 0.9f64.powi(3)) * m[i] / denominator);
        }
        out.extend([p, m, top]);
    }
    out
}

fn close(got: &[Vec<f64>], want: &[Vec<f64>], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().flatten().zip(want.iter().flatten()) {
        assert!((g - w).abs() <= bound * w.abs().max(1.0), "{g} {w}");
    }
}

#[test]
fn optim_steps_every_element_once() {
    for amsgrad in [false, true] {
        let want = expected(amsgrad);
        let wide = |x: &[f32]| x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        close(&stepped(wide, amsgrad), &want, 1e-12);
        let single: Vec<_> = stepped(<[f32]>::to_vec, amsgrad).iter().map(|v| wide(v)).collect();
        close(&single, &want, 1e-5);
        // Halves: inputs are rounded too.
        let half = |x: &[f32]| x.iter().map(|v| bf16::from_f32(*v)).collect::<Vec<_>>();
        let rounded: Vec<_> = stepped(half, amsgrad)
            .iter()
            .map(|v| v.iter().map(|x| f64::from(x.to_f32())).collect::<Vec<_>>())
            .collect();
        close(&rounded[1..2], &want[1..2], 0.02);
        assert_eq!(rounded.iter().map(Vec::len).sum::<usize>(), 3 * SIZES.iter().sum::<usize>());
    }
}

#[test]
fn optim_does_not_depend_on_threads() {
    let before = pool::num_threads();
    pool::set_num_threads(1);
    let alone = stepped(<[f32]>::to_vec, true);
    pool::set_num_threads(2);
    assert!(alone == stepped(<[f32]>::to_vec, true));
    pool::set_num_threads(before);
}
