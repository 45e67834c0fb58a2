//! The three products against plain loops in f64: shapes, strides, layouts, groups, and numbers of threads.
use super::*;
use crate::pool;
use crate::vmath::Real;

struct Case {
    n: usize,
    g: Geometry,
}

#[allow(clippy::type_complexity)]
fn case(
    n: usize,
    (groups, ci, co): (usize, usize, usize),
    input: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    pad: [usize; 3],
    dilation: [usize; 3],
) -> Case {
    let output = std::array::from_fn(|a| (input[a] + 2 * pad[a] - dilation[a] * (kernel[a] - 1) - 1) / stride[a] + 1);
    Case { n, g: Geometry { rank: 3, groups, ci, co, input, output, kernel, stride, pad, dilation } }
}

fn cases() -> Vec<Case> {
    let one = [1; 3];
    let plane = |n, c, hw: [usize; 2], k: [usize; 2], s: [usize; 2], p: [usize; 2], d: [usize; 2]| {
        case(n, c, [1, hw[0], hw[1]], [1, k[0], k[1]], [1, s[0], s[1]], [0, p[0], p[1]], [1, d[0], d[1]])
    };
    vec![
        plane(1, (1, 1, 1), [1, 1], [1, 1], [1, 1], [0, 0], [1, 1]),
        plane(2, (1, 3, 5), [7, 8], [1, 1], [1, 1], [0, 0], [1, 1]),
        plane(2, (1, 3, 5), [7, 8], [1, 1], [2, 3], [1, 0], [1, 1]),
        plane(2, (1, 5, 7), [9, 11], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(1, (1, 40, 70), [20, 23], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(9, (1, 6, 13), [7, 7], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(1, (1, 3, 20), [30, 33], [7, 7], [2, 2], [3, 3], [1, 1]),
        plane(2, (2, 3, 4), [12, 10], [3, 2], [2, 3], [2, 1], [2, 2]),
        plane(2, (1, 2, 3), [13, 40], [3, 3], [1, 1], [0, 0], [3, 2]),
        plane(1, (1, 2, 3), [9, 9], [2, 2], [4, 5], [0, 0], [1, 1]),
        plane(1, (1, 2, 3), [6, 6], [2, 3], [1, 1], [4, 5], [1, 1]),
        plane(1, (1, 70, 9), [4, 5], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(2, (6, 1, 1), [14, 14], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(2, (40, 1, 1), [7, 7], [5, 5], [1, 1], [2, 2], [1, 1]),
        plane(2, (3, 1, 2), [16, 24], [3, 3], [2, 2], [1, 1], [1, 1]),
        plane(1, (3, 1, 2), [70, 80], [3, 4], [1, 1], [0, 0], [2, 1]),
        plane(1, (2, 1, 1), [10, 16], [1, 1], [1, 1], [0, 0], [1, 1]),
        plane(3, (1, 20, 18), [1, 700], [1, 3], [1, 1], [0, 1], [1, 1]),
        plane(2, (1, 300, 33), [5, 50], [1, 1], [1, 1], [0, 0], [1, 1]),
        plane(2, (1, 40, 1), [9, 21], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(1, (1, 9, 2), [40, 75], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(3, (1, 8, 16), [6, 33], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(1, (1, 6, 7), [3, 300], [3, 3], [1, 1], [1, 1], [1, 1]),
        plane(1, (2, 9, 4), [11, 43], [3, 3], [1, 2], [1, 0], [2, 1]),
        case(1, (1, 2, 4), [4, 5, 6], [2, 3, 3], [1, 2, 1], [1, 0, 2], [2, 1, 1]),
        case(2, (2, 3, 2), [3, 4, 5], [3, 3, 3], one, one, one),
        case(1, (4, 1, 1), [3, 9, 9], [3, 3, 3], one, one, one),
        case(1, (1, 1, 2), [3, 3, 3], [1, 1, 1], [5, 5, 5], [0; 3], one),
    ]
}

struct Rng(u64);
impl Rng {
    fn fill<T: Real>(&mut self, n: usize) -> Vec<T> {
        let next = |s: &mut u64| {
            *s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*s >> 40) as f64 / 8388608.0 - 1.0
        };
        (0..n).map(|_| T::from_f64(next(&mut self.0))).collect()
    }
}

/// Calls `f(y, x, w)` with the flat indices of every product.
fn each_product(c: &Case, mut f: impl FnMut(usize, usize, usize)) {
    let (g, at) = (&c.g, |size: [usize; 3], i: usize| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]]);
    for s in 0..c.n * g.groups {
        for (o, p) in (0..g.co).flat_map(|o| (0..g.out_len()).map(move |p| (o, p))) {
            for (ch, k) in (0..g.ci).flat_map(|c| (0..g.taps()).map(move |k| (c, k))) {
                let (op, kk) = (at(g.output, p), at(g.kernel, k));
                let i = [0, 1, 2].map(|a| (op[a] * g.stride[a] + kk[a] * g.dilation[a]) as i64 - g.pad[a] as i64);
                if (0..3).all(|a| i[a] >= 0 && i[a] < g.input[a] as i64) {
                    let i = (i[0] as usize * g.input[1] + i[1] as usize) * g.input[2] + i[2] as usize;
                    let w = ((s % g.groups * g.co + o) * g.ci + ch) * g.taps() + k;
                    f((s * g.co + o) * g.out_len() + p, (s * g.ci + ch) * g.in_len() + i, w);
                }
            }
        }
    }
}

fn close<T: Real>(c: &Case, what: &str, got: &[T], want: &[f64], eps: f64) {
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a.to_f64() - b).abs() <= eps * (4.0 + b.abs()), "{what} of {:?} at {i}: {a:?} != {b}", c.g);
    }
}

/// Results of the three products, NaN where nothing is written.
struct Found<T> {
    y: Vec<T>,
    x: Vec<T>,
    w: Vec<T>,
}

impl<T: GemmScalar> Found<T> {
    fn bits(&self) -> Vec<u64> {
        self.y.iter().chain(&self.x).chain(&self.w).map(|v| v.to_f64().to_bits()).collect()
    }
}

struct Data<T> {
    x: Vec<T>,
    w: Vec<T>,
    seed: Vec<T>,
    bias: Vec<T>,
    input_bias: Vec<T>,
}

fn data<T: Real>(c: &Case) -> Data<T> {
    let (g, mut rng) = (&c.g, Rng(c.g.in_len() as u64 * 31 + c.g.co as u64));
    Data {
        x: rng.fill(c.n * g.groups * g.ci * g.in_len()),
        w: rng.fill(g.groups * g.co * g.ci * g.taps()),
        seed: rng.fill(c.n * g.groups * g.co * g.out_len()),
        bias: rng.fill(g.groups * g.co),
        input_bias: rng.fill(g.groups * g.ci),
    }
}

fn all<T: GemmScalar>(c: &Case, d: &Data<T>, x: View<T>) -> Found<T> {
    let g = &c.g;
    let nan = |n: usize| vec![T::NAN; n];
    let mut found = Found { y: nan(d.seed.len()), x: nan(d.x.len()), w: nan(d.w.len()) };
    // SAFETY: `x` covers the input.
    unsafe {
        forward(g, c.n, x, &d.w, Some(&d.bias), &mut found.y);
        input_gradient(g, c.n, &d.seed, &d.w, Some(&d.input_bias), &mut found.x);
        weight_gradient(g, c.n, &d.seed, x, &mut found.w);
    }
    found
}

fn run<T: GemmScalar>(eps: f64) {
    for c in cases() {
        let (g, d) = (&c.g, data::<T>(&c));
        let channels = g.groups * g.ci;
        let f = |v: &[T], i: usize| v[i].to_f64();
        let mut y: Vec<f64> = (0..d.seed.len()).map(|i| f(&d.bias, i / g.out_len() % (g.groups * g.co))).collect();
        let mut dx: Vec<f64> = (0..d.x.len()).map(|i| f(&d.input_bias, i / g.in_len() % channels)).collect();
        let mut dw = vec![0.0; d.w.len()];
        each_product(&c, |yi, xi, wi| {
            y[yi] += f(&d.x, xi) * f(&d.w, wi);
            dx[xi] += f(&d.seed, yi) * f(&d.w, wi);
            dw[wi] += f(&d.seed, yi) * f(&d.x, xi);
        });
        // The same image with its channels last.
        let mut last = d.x.clone();
        for (i, v) in d.x.iter().enumerate() {
            let (n, ch, p) = (i / (channels * g.in_len()), i / g.in_len() % channels, i % g.in_len());
            last[(n * g.in_len() + p) * channels + ch] = *v;
        }
        let [_, h, w] = g.input;
        let strides = [channels * g.in_len(), 1, h * w * channels, w * channels, channels].map(|s| s as isize);
        for x in [contiguous(d.x.as_ptr(), channels, g.input), View { ptr: last.as_ptr(), strides }] {
            let found = all(&c, &d, x);
            close(&c, "output", &found.y, &y, eps);
            close(&c, "input gradient", &found.x, &dx, eps);
            close(&c, "weight gradient", &found.w, &dw, eps * 4.0);
        }
    }
}

#[test]
fn conv_f32_equals_plain_loops() {
    run::<f32>(6e-6);
}

#[test]
fn conv_f64_equals_plain_loops() {
    run::<f64>(1e-13);
}

#[test]
fn conv_is_bit_equal_for_every_thread_count() {
    for c in cases() {
        let d = data::<f32>(&c);
        let x = contiguous(d.x.as_ptr(), c.g.groups * c.g.ci, c.g.input);
        let bits = [1, 2, 3].map(|threads| {
            pool::set_num_threads(threads);
            all(&c, &d, x).bits()
        });
        assert!(bits[0] == bits[1] && bits[0] == bits[2], "{:?}", c.g);
    }
}
