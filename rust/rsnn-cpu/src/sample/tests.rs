//! Kernels against plain loops, each other's transposes and finite differences.
use super::*;

fn ramp(n: usize, seed: f64) -> Vec<f64> {
    (0..n).map(|i| ((i as f64 + seed) * 1.37).sin()).collect()
}
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn resample_and_its_transpose() {
    let mix =
        |n: usize, m: usize| Taps::new(n, (0..m).map(|i| (0..=i % 3).map(move |k| ((i + k) % n, 0.5 + k as f64))));
    // Growing and shrinking, few planes and many, rows longer than a block.
    for (axes, planes) in [
        ([mix(2, 3), mix(3, 5), mix(5, 37)], 2),
        ([mix(3, 2), mix(5, 2), mix(37, 18)], 20),
        ([Taps::identity(1), mix(4, 7), Taps::identity(19)], 1),
    ] {
        let from: usize = axes.iter().map(Taps::input).product();
        let to: usize = axes.iter().map(Taps::output).product();
        let (x, g) = (ramp(planes * from, 0.3), ramp(planes * to, 2.0));
        let (mut y, mut dx) = (vec![0.0; g.len()], vec![0.0; x.len()]);
        resample(&axes, &x, &mut y);
        resample(&axes.each_ref().map(|a| a.transposed()), &g, &mut dx);
        let scale = dot(&y, &y).sqrt() * dot(&g, &g).sqrt();
        assert!((dot(&y, &g) - dot(&x, &dx)).abs() < 1e-12 * scale);
        // A single plane at once equals all planes.
        let mut one = vec![0.0; to];
        resample(&axes, &x[(planes - 1) * from..], &mut one);
        assert_eq!(one, y[(planes - 1) * to..]);
    }
    let mut y = [0.0f64; 3];
    resample(
        &[Taps::identity(1), Taps::identity(1), Taps::new(2, [vec![(1, 2.0), (0, 1.0)], vec![], vec![(0, 1.0)]])],
        &[-0.0, 3.0],
        &mut y,
    );
    assert_eq!((y, y[2].is_sign_negative()), ([6.0, 0.0, 0.0], true));
}

#[test]
fn grid_reads_few_points_where_they_lie() {
    // Nine channels in a plane that is larger than what is read, and the same plane with many points.
    let grid = |points| Grid {
        mode: Mode::Linear,
        outside: Outside::Zeros,
        align_corners: false,
        rank: 2,
        size: [1, 16, 16],
        images: 2,
        channels: 9,
        points,
    };
    let x = ramp(2 * 9 * 256, 0.1);
    let few: Vec<f64> = ramp(2 * 3 * 2, 0.7).iter().map(|v| v * 1.2).collect();
    let many: Vec<f64> = few.chunks(6).flat_map(|p| p.repeat(50)).collect();
    let (mut y, mut all) = (vec![0.0; 2 * 9 * 3], vec![0.0; 2 * 9 * 150]);
    grid(3).forward(&x, &few, &mut y);
    grid(150).forward(&x, &many, &mut all);
    for (y, all) in y.chunks(3).zip(all.chunks(150)) {
        all.chunks(3).for_each(|a| assert_eq!(a, y));
    }
}

#[test]
fn grid_gradients_equal_differences() {
    for (mode, outside, rank) in [
        (Mode::Linear, Outside::Zeros, 2),
        (Mode::Linear, Outside::Reflection, 3),
        (Mode::Cubic, Outside::Border, 2),
        (Mode::Nearest, Outside::Border, 3),
    ] {
        let size = [if rank == 3 { 3 } else { 1 }, 4, 5];
        let grid = Grid { mode, outside, align_corners: true, rank, size, images: 1, channels: 11, points: 70 };
        let plane: usize = size.iter().product();
        let (x, g) = (ramp(11 * plane, 0.2), ramp(11 * 70, 5.0));
        let at: Vec<f64> = ramp(70 * rank, 3.0).iter().map(|v| v * 1.3).collect();
        let value = |x: &[f64], at: &[f64]| {
            let mut y = vec![0.0; g.len()];
            grid.forward(x, at, &mut y);
            dot(&y, &g)
        };
        let (mut dx, mut dat) = (vec![0.0; x.len()], vec![0.0; at.len()]);
        grid.backward(&g, &x, &at, Some(&mut dx), Some(&mut dat));
        // Linear in x.
        assert!((dot(&x, &dx) - value(&x, &at)).abs() < 1e-10, "{mode:?}");
        for i in 0..at.len() {
            let moved = |h: f64| {
                value(&x, &at.iter().enumerate().map(|(j, v)| v + if i == j { h } else { 0.0 }).collect::<Vec<_>>())
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - dat[i]).abs() < 1e-5, "{mode:?} {i}: {slope} {}", dat[i]);
        }
    }
}

#[test]
fn distances_and_slopes() {
    for p in [0.0, 0.5, 1.0, 2.0, 3.0, f64::INFINITY] {
        let pairs = Distances { rows: 5, cols: 11, p };
        let (x, g) = (ramp(55, 0.4), ramp(10, 1.0));
        let value = |x: &[f64]| {
            let mut d = vec![0.0; 10];
            pairs.forward(x, &mut d);
            d
        };
        let d = value(&x);
        let x = &x;
        let far = |i: usize, j: usize| (0..11).map(move |k| (x[i * 11 + k] - x[j * 11 + k]).abs());
        let plain = |i, j| match p {
            0.0 => 11.0,
            f64::INFINITY => far(i, j).fold(0.0, f64::max),
            _ => far(i, j).map(|v| v.powf(p)).sum::<f64>().powf(1.0 / p),
        };
        let all = (0..5).flat_map(|i| (i + 1..5).map(move |j| (i, j)));
        all.zip(&d).for_each(|((i, j), d)| assert!((plain(i, j) - d).abs() < 1e-10 * d.max(1.0), "{p}"));
        let mut dx = vec![0.0; 55];
        pairs.backward(&g, x, &d, &mut dx);
        for i in 0..55 {
            let moved = |h: f64| {
                dot(
                    &value(&x.iter().enumerate().map(|(j, v)| v + if i == j { h } else { 0.0 }).collect::<Vec<_>>()),
                    &g,
                )
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - dx[i]).abs() < 1e-4 * slope.abs().max(1.0), "{p} {i}: {slope} {}", dx[i]);
        }
    }
}
