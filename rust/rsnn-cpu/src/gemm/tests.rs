//! Against a naive loop in f64: shapes, strides, accumulation, epilogues, batches, thread counts.
use super::*;
use ::half::{bf16, f16};

/// A small generator; values in [-1, 1].
struct Rng(u64);
impl Rng {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / 8388608.0 - 1.0
    }
    fn fill<T: FromF64>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::of(self.next())).collect()
    }
}

trait FromF64: Copy {
    fn of(x: f64) -> Self;
    fn f64(self) -> f64;
}
macro_rules! from_f64 {
    ($($t:ty, $of:expr, $f64:expr);*) => { $( impl FromF64 for $t {
        fn of(x: f64) -> Self { $of(x) }
        fn f64(self) -> f64 { $f64(self) }
    } )* };
}
from_f64!(f32, |x| x as f32, f64::from; f64, |x| x, |x| x; f16, f16::from_f64, f16::to_f64; bf16, bf16::from_f64, bf16::to_f64);

/// A stored matrix: strides in elements and the buffer they address.
#[derive(Clone, Copy, Debug)]
enum Layout {
    Rows,
    Cols,
    PaddedRows,
    PaddedCols,
    Gaps,
}
const LAYOUTS: [Layout; 5] = [Layout::Rows, Layout::Cols, Layout::PaddedRows, Layout::PaddedCols, Layout::Gaps];

impl Layout {
    fn strides(self, rows: usize, cols: usize) -> (isize, isize) {
        let (r, c) = (rows as isize, cols as isize);
        match self {
            Layout::Rows => (c, 1),
            Layout::Cols => (1, r),
            Layout::PaddedRows => (c + 3, 1),
            Layout::PaddedCols => (1, r + 5),
            Layout::Gaps => (2 * c + 1, 2),
        }
    }
    /// Exactly the elements up to the last one, so that a read behind it leaves the buffer.
    fn len(self, rows: usize, cols: usize) -> usize {
        if rows == 0 || cols == 0 {
            return 0;
        }
        let (rs, cs) = self.strides(rows, cols);
        ((rows - 1) as isize * rs + (cols - 1) as isize * cs) as usize + 1
    }
}

struct Case<T> {
    dims: (usize, usize, usize),
    la: Layout,
    lb: Layout,
    c_pad: usize,
    alpha: f32,
    accumulate: bool,
    act: u8,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
    bias: Vec<T>,
}

impl<T: Element + FromF64> Case<T> {
    fn new(dims: (usize, usize, usize), la: Layout, lb: Layout, variant: usize) -> Self {
        let (m, n, k) = dims;
        let mut rng = Rng((m * 31 + n * 17 + k + variant) as u64);
        let c_pad = variant % 3;
        Self {
            dims,
            la,
            lb,
            c_pad,
            alpha: if variant.is_multiple_of(2) { 1.0 } else { 0.5 },
            accumulate: variant % 5 == 1,
            act: (variant % 4) as u8,
            a: rng.fill(la.len(m, k)),
            b: rng.fill(lb.len(k, n)),
            c: rng.fill(m * (n + c_pad)),
            bias: rng.fill(n),
        }
    }

    fn job(&mut self, alpha: T::Acc) -> Gemm<'_, T> {
        let (m, n, k) = self.dims;
        let ((a_rs, a_cs), (b_rs, b_cs)) = (self.la.strides(m, k), self.lb.strides(k, n));
        let epilogue = match self.act {
            0 => Epilogue::None,
            1 => Epilogue::Bias(&self.bias),
            2 => Epilogue::BiasGelu(&self.bias),
            _ => Epilogue::BiasRelu(&self.bias),
        };
        let (a, b, c) = (self.a.as_ptr(), self.b.as_ptr(), self.c.as_mut_ptr());
        let c_rs = (n + self.c_pad) as isize;
        Gemm { m, n, k, a, a_rs, a_cs, b, b_rs, b_cs, c, c_rs, alpha, accumulate: self.accumulate, epilogue }
    }

    fn naive(&self) -> Vec<f64> {
        let (m, n, k) = self.dims;
        let ((ars, acs), (brs, bcs)) = (self.la.strides(m, k), self.lb.strides(k, n));
        let mut c: Vec<f64> = self.c.iter().map(|x| x.f64()).collect();
        for i in 0..m {
            for j in 0..n {
                let at = |p: usize| self.a[(i as isize * ars + p as isize * acs) as usize].f64();
                let bt = |p: usize| self.b[(p as isize * brs + j as isize * bcs) as usize].f64();
                let mut v = f64::from(self.alpha) * (0..k).map(|p| at(p) * bt(p)).sum::<f64>();
                let c = &mut c[i * (n + self.c_pad) + j];
                v += if self.accumulate { *c } else { 0.0 };
                v += if self.act > 0 { self.bias[j].f64() } else { 0.0 };
                *c = match self.act {
                    2 => Real::gelu(v),
                    3 => v.max(0.0),
                    _ => v,
                };
            }
        }
        c
    }

    fn check(&self, want: &[f64], eps: f64) {
        let tolerance = eps * (4.0 + (self.dims.2 as f64).sqrt());
        for (i, (got, want)) in self.c.iter().zip(want).enumerate() {
            let ok = (got.f64() - want).abs() <= tolerance * (1.0 + want.abs());
            assert!(ok, "{:?} {:?} {:?} act {} at {i}: {} != {want}", self.dims, self.la, self.lb, self.act, got.f64());
        }
    }
}

const SIZES: [(usize, usize, usize); 39] = [
    (0, 3, 4),
    (3, 0, 4),
    (3, 5, 0),
    (1, 1, 1),
    (1, 1, 300),
    (1, 70, 9),
    (70, 1, 9),
    (40, 50, 1),
    (33, 97, 3),
    (130, 70, 4),
    (2, 600, 40),
    (3, 1030, 33),
    (4, 129, 257),
    (1, 513, 200),
    (200, 1, 333),
    (513, 2, 130),
    (5, 7, 11),
    (6, 16, 8),
    (7, 17, 9),
    (12, 32, 16),
    (13, 31, 64),
    (16, 16, 16),
    (9, 200, 100),
    (12, 65, 513),
    (32, 32, 32),
    (33, 35, 37),
    (31, 100, 20),
    (64, 64, 64),
    (63, 65, 67),
    (100, 9, 300),
    (128, 5, 77),
    (97, 130, 260),
    (150, 48, 300),
    (40, 300, 270),
    (19, 257, 129),
    (130, 257, 65),
    (257, 131, 600),
    (17, 35, 2051),
    (300, 80, 1000),
];

fn run_all<T: GemmScalar + FromF64>(eps: f64) {
    let mut variant = 0;
    for dims in SIZES {
        for la in LAYOUTS {
            for lb in LAYOUTS {
                variant += 1;
                let mut case = Case::<T>::new(dims, la, lb, variant);
                let want = case.naive();
                let alpha = <T as FromF64>::of(case.alpha.into());
                // SAFETY: the buffers of the case cover its shape.
                unsafe { gemm(&case.job(alpha)) };
                case.check(&want, eps);
            }
        }
    }
}

#[test]
fn gemm_f32_matches_naive() {
    run_all::<f32>(1e-6);
}

#[test]
fn gemm_f64_matches_naive() {
    run_all::<f64>(1e-14);
}

/// Plain code in the shape of the widest kernel, so that its tile and edges are tested on every machine.
#[derive(Clone, Copy)]
struct Wide;
impl Simd for Wide {
    type T = f32;
    type V = [f32; 16];
    const LANES: usize = 16;
    unsafe fn splat(x: f32) -> [f32; 16] {
        [x; 16]
    }
    unsafe fn load(p: *const f32) -> [f32; 16] {
        // SAFETY: valid for a vector, as the trait asks.
        unsafe { p.cast::<[f32; 16]>().read() }
    }
    unsafe fn store(p: *mut f32, v: [f32; 16]) {
        // SAFETY: as above.
        unsafe { p.cast::<[f32; 16]>().write(v) }
    }
    unsafe fn add(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    unsafe fn mul(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    unsafe fn fma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    unsafe fn transpose(src: *const f32, ld: isize, dst: *mut f32, ldd: usize) {
        for p in 0..16 {
            for i in 0..16 {
                // SAFETY: a 16 x 16 block on both sides.
                unsafe { *dst.add(p * ldd + i) = *src.offset(i as isize * ld + p as isize) };
            }
        }
    }
}
kernel!(WIDE, Wide, 6, 4, 128);

#[test]
fn gemm_wide_tile_matches_naive() {
    for (variant, dims) in SIZES.into_iter().enumerate() {
        for (la, lb) in [(Layout::Rows, Layout::Rows), (Layout::PaddedRows, Layout::Cols), (Layout::Cols, Layout::Gaps)]
        {
            let mut case = Case::<f32>::new(dims, la, lb, variant);
            let want = case.naive();
            let alpha = case.alpha;
            // SAFETY: the buffers of the case cover its shape.
            unsafe { driver::run(&WIDE, &case.job(alpha).job(), true) };
            case.check(&want, 1e-6);
        }
    }
}

fn run_half<H: HalfScalar + FromF64>(eps: f64) {
    for (variant, dims) in SIZES.into_iter().enumerate() {
        let (la, lb) = (LAYOUTS[variant % 5], LAYOUTS[variant / 5 % 5]);
        let mut case = Case::<H>::new(dims, la, lb, variant);
        let want = case.naive();
        let alpha = case.alpha;
        // SAFETY: the buffers of the case cover its shape.
        unsafe { gemm_half(&case.job(alpha)) };
        case.check(&want, eps / 4.0);
    }
}

#[test]
fn gemm_half_matches_naive() {
    run_half::<f16>(1e-3);
    run_half::<bf16>(8e-3);
}

#[test]
fn gemm_bf16_rounds_to_even_and_keeps_nan() {
    let x = [1.0, f32::from_bits(0x3f80_8000), f32::from_bits(0x3f81_8000), f32::NAN, f32::INFINITY, f32::MAX, -0.0];
    let mut got = [bf16::ZERO; 7];
    bf16::narrow(&x, &mut got);
    for (got, x) in got.iter().zip(x) {
        let want = bf16::from_f32(x);
        assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{x}: {got} {want}");
    }
}

/// Nothing else in this binary depends on the number of threads, so that the tests may run side by side.
#[test]
fn gemm_is_bit_equal_for_every_thread_count() {
    for dims in [
        (300, 333, 700),
        (1, 2000, 1000),
        (8, 1000, 600),
        (3, 3000, 400),
        (1000, 3, 500),
        (64, 512, 512),
        (700, 40, 300),
        (600, 1000, 2),
    ] {
        for (la, lb) in [(Layout::Rows, Layout::Cols), (Layout::Rows, Layout::Rows), (Layout::Cols, Layout::Rows)] {
            let mut results = Vec::new();
            for threads in [1, 2, 3] {
                pool::set_num_threads(threads);
                let mut case = Case::<f32>::new(dims, la, lb, 2);
                // SAFETY: the buffers of the case cover its shape.
                unsafe { gemm(&case.job(1.0)) };
                results.push(case.c.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            }
            assert!(results[0] == results[1] && results[0] == results[2], "{dims:?} {la:?} {lb:?}");
        }
    }
}

#[test]
fn gemm_batch_matches_single_products() {
    for (dims, batch) in [((5, 7, 9), 40), ((64, 48, 128), 12), ((300, 260, 260), 2), ((8, 8, 8), 1), ((4, 4, 4), 0)] {
        let (m, n, k) = dims;
        let mut rng = Rng(7);
        let (a, b) = (rng.fill::<f32>(batch * m * k), rng.fill::<f32>(batch * k * n));
        let (mut got, mut want) = (vec![0f32; batch * m * n], vec![0f32; batch * m * n]);
        let job = |c: *mut f32| {
            let (a, b, rs, cs) = (a.as_ptr(), b.as_ptr(), |x: usize| x as isize, 1);
            let (a_rs, b_rs, c_rs) = (rs(k), rs(n), rs(n));
            let epilogue = Epilogue::None;
            Gemm { m, n, k, a, a_rs, a_cs: cs, b, b_rs, b_cs: cs, c, c_rs, alpha: 2.0, accumulate: false, epilogue }
        };
        let at = |i: usize| ((i * m * k) as isize, (i * k * n) as isize, (i * m * n) as isize);
        let offsets: Vec<_> = (0..batch).map(at).collect();
        // SAFETY: offsets and strides stay inside the buffers.
        unsafe {
            batched_gemm(&job(got.as_mut_ptr()), &offsets);
            for &(ao, bo, co) in &offsets {
                let one = job(want.as_mut_ptr());
                gemm(&Gemm { a: one.a.offset(ao), b: one.b.offset(bo), c: one.c.offset(co), ..one });
            }
        }
        assert!(got == want, "{dims:?} x {batch}");
    }
}

#[test]
fn gemm_broadcast_operand_and_reversed_rows() {
    // A's rows all the same (stride 0), B read backwards.
    let (m, n, k) = (50, 40, 60);
    let mut rng = Rng(3);
    let (a, b) = (rng.fill::<f64>(k), rng.fill::<f64>(k * n));
    let mut c = vec![0f64; m * n];
    let job = Gemm {
        m,
        n,
        k,
        a: a.as_ptr(),
        a_rs: 0,
        a_cs: 1,
        b: b[(k - 1) * n..].as_ptr(),
        b_rs: -(n as isize),
        b_cs: 1,
        c: c.as_mut_ptr(),
        c_rs: n as isize,
        alpha: 1.0,
        accumulate: false,
        epilogue: Epilogue::None,
    };
    // SAFETY: strides stay inside the buffers.
    unsafe { gemm(&job) };
    for i in 0..m {
        for j in 0..n {
            let want: f64 = (0..k).map(|p| a[p] * b[(k - 1 - p) * n + j]).sum();
            assert!((c[i * n + j] - want).abs() < 1e-12);
        }
    }
}
