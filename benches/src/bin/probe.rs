//! Measures the limits of this machine: fused multiply-adds a second, and bytes a second at each level of the memory.
//! Prints one JSON object; `benches/compare.py` divides each row by it.
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

const REPEATS: usize = 7;

/// Runs on every thread at once what `prepare` returns; the best sum of rates, each thread's `amount` over its own time.
fn rate<W: FnMut()>(threads: usize, amount: f64, prepare: impl Fn() -> W + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let run = || {
        let mut work = prepare();
        let mut best = 0.0f64;
        for _ in 0..REPEATS {
            barrier.wait();
            let begin = Instant::now();
            work();
            best = best.max(amount / begin.elapsed().as_secs_f64());
        }
        best
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().filter_map(|h| h.join().ok()).sum()
    })
}

macro_rules! fma_chain {
    ($name:ident, $type:ty, $lanes:literal, $feature:literal) => {
        /// Ten independent chains of multiply-adds, enough to hide the latency of one.
        #[target_feature(enable = $feature)]
        fn $name(steps: usize, seed: $type) -> $type {
            let (a, b) = ([1.0 - seed; $lanes], [seed; $lanes]);
            let mut sums = [[seed; $lanes]; 10];
            for _ in 0..steps {
                for sum in &mut sums {
                    for i in 0..$lanes {
                        sum[i] = sum[i].mul_add(a[i], b[i]);
                    }
                }
            }
            sums.iter().flatten().sum()
        }
    };
}

#[cfg(target_arch = "x86_64")]
fma_chain!(f32_avx512, f32, 16, "avx512f");
#[cfg(target_arch = "x86_64")]
fma_chain!(f64_avx512, f64, 8, "avx512f");
#[cfg(target_arch = "x86_64")]
fma_chain!(f32_avx2, f32, 8, "avx2,fma");
#[cfg(target_arch = "x86_64")]
fma_chain!(f64_avx2, f64, 4, "avx2,fma");
#[cfg(target_arch = "aarch64")]
fma_chain!(f32_neon, f32, 4, "neon");
#[cfg(target_arch = "aarch64")]
fma_chain!(f64_neon, f64, 2, "neon");

const STEPS: usize = 4_000_000;

/// Operations a second of a chain with `lanes` lanes.
fn peak(threads: usize, lanes: usize, chain: impl Fn() + Sync) -> f64 {
    rate(threads, (STEPS * 10 * lanes * 2) as f64, || &chain)
}

/// Floating-point operations a second in (float32, float64).
#[cfg(target_arch = "x86_64")]
fn peaks(threads: usize) -> (f64, f64) {
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature was detected above.
        let singles = || _ = black_box(unsafe { f32_avx512(STEPS, black_box(1e-9)) });
        // SAFETY: as above.
        let doubles = || _ = black_box(unsafe { f64_avx512(STEPS, black_box(1e-9)) });
        return (peak(threads, 16, singles), peak(threads, 8, doubles));
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features were detected above.
        let singles = || _ = black_box(unsafe { f32_avx2(STEPS, black_box(1e-9)) });
        // SAFETY: as above.
        let doubles = || _ = black_box(unsafe { f64_avx2(STEPS, black_box(1e-9)) });
        return (peak(threads, 8, singles), peak(threads, 4, doubles));
    }
    (0.0, 0.0)
}

#[cfg(target_arch = "aarch64")]
fn peaks(threads: usize) -> (f64, f64) {
    // SAFETY: NEON belongs to every aarch64 processor.
    let singles = || _ = black_box(unsafe { f32_neon(STEPS, black_box(1e-9)) });
    // SAFETY: as above.
    let doubles = || _ = black_box(unsafe { f64_neon(STEPS, black_box(1e-9)) });
    (peak(threads, 4, singles), peak(threads, 2, doubles))
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn peaks(_: usize) -> (f64, f64) {
    (0.0, 0.0)
}

/// Bytes read and written a second by `y = a * x` over arrays of `bytes` together, on each thread its own.
fn bandwidth(threads: usize, bytes: usize) -> f64 {
    let len = bytes / 8;
    let passes = ((256 << 20) / bytes).max(3);
    rate(threads, (passes * bytes) as f64, || {
        let (x, mut y) = (vec![1f32; len], vec![1f32; len]);
        move || {
            for _ in 0..passes {
                scale(black_box(&x), black_box(&mut y));
            }
        }
    })
}

#[inline(never)]
fn scale(x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * 1.5;
    }
}

fn main() {
    let cores = thread::available_parallelism().map_or(1, |n| n.get());
    let mut counts = vec![1, cores];
    counts.dedup();
    let parts: Vec<String> = counts
        .iter()
        .map(|&n| {
            let (f32s, f64s) = peaks(n);
            let levels = [("L1", 16 << 10), ("L2", 256 << 10), ("L3", 2 << 20), ("memory", 256 << 20)];
            let speeds: Vec<String> =
                levels.iter().map(|(name, bytes)| format!("\"{name}\": {:.4e}", bandwidth(n, *bytes))).collect();
            format!("\"{n}\": {{\"f32\": {f32s:.4e}, \"f64\": {f64s:.4e}, {}}}", speeds.join(", "))
        })
        .collect();
    println!("{{{}}}", parts.join(", "));
}
