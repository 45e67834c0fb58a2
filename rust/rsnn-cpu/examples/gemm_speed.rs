//! Prints GF/s of matrix products at several shapes, one and two threads, beside the machine's FMA peak.
//! `cargo run --profile bench --example gemm_speed [f32|f64] [m n k | small | batch]`
use rsnn_cpu::gemm::{Epilogue, Gemm, GemmScalar, batched_gemm, gemm};
use rsnn_cpu::pool;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// Seconds that the calling thread has worked: what other programs take from its core does not count.
#[cfg(unix)]
fn thread_time() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}
#[cfg(not(unix))]
fn thread_time() -> f64 {
    wall_time()
}

fn wall_time() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Best and median seconds of a call, over about `budget` seconds.
fn time(budget: f64, clock: fn() -> f64, mut f: impl FnMut()) -> (f64, f64) {
    f();
    let (start, before) = (Instant::now(), clock());
    f();
    // Short calls are timed in groups, so that reading the clock costs nothing.
    let group = (2e-5 / (clock() - before).max(1e-9)).ceil() as usize;
    let mut all = Vec::new();
    while all.len() < 5 || start.elapsed().as_secs_f64() < budget {
        let t = clock();
        (0..group).for_each(|_| f());
        all.push((clock() - t) / group as f64);
    }
    all.sort_by(f64::total_cmp);
    (all[0], all[all.len() / 2])
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fma_loop(n: usize) -> f32 {
    use std::arch::x86_64::*;
    let (a, b) = (_mm256_set1_ps(black_box(1.0)), _mm256_set1_ps(black_box(1e-9)));
    let mut acc = [_mm256_set1_ps(0.0); 12];
    for _ in 0..n {
        for v in &mut acc {
            *v = _mm256_fmadd_ps(*v, a, b);
        }
    }
    let sum = acc.into_iter().reduce(|x, y| _mm256_add_ps(x, y)).unwrap_or(a);
    _mm256_cvtss_f32(sum)
}

fn peak() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let n = 100_000;
        let (best, _) = time(0.3, thread_time, || {
            // SAFETY: the features are there.
            black_box(unsafe { fma_loop(n) });
        });
        return (n * 12 * 16) as f64 / best / 1e9;
    }
    f64::NAN
}

fn case<T: GemmScalar>(name: &str, size: (usize, usize, usize), transposed_b: bool) {
    batch::<T>(name, 1, size, transposed_b);
}

fn batch<T: GemmScalar>(name: &str, count: usize, (m, n, k): (usize, usize, usize), transposed_b: bool) {
    let mut seed = 1u32;
    let mut fill = |len: usize| -> Vec<T> {
        let mut next = || {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            T::from_f64(f64::from(seed >> 8) / 8388608.0 - 1.0)
        };
        (0..len).map(|_| next()).collect()
    };
    let (a, b, mut c) = (fill(count * m * k), fill(count * k * n), fill(count * m * n));
    let offsets: Vec<_> =
        (0..count as isize).map(|i| (i * (m * k) as isize, i * (k * n) as isize, i * (m * n) as isize)).collect();
    let (b_rs, b_cs) = if transposed_b { (1, k as isize) } else { (n as isize, 1) };
    let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
    let (a_rs, c_rs, epilogue) = (k as isize, n as isize, Epilogue::None);
    let job = Gemm { m, n, k, a, a_rs, a_cs: 1, b, b_rs, b_cs, c, c_rs, alpha: T::ONE, accumulate: false, epilogue };
    print!("{name:10} {count:4} x m={m:5} n={n:5} k={k:5}");
    let budget = (40.0 * 2.0 * (count * m * n * k) as f64 / 4e10).clamp(0.1, 2.0);
    for (threads, clock) in [(1, thread_time as fn() -> f64), (2, wall_time)] {
        if threads == 2 && std::env::var_os("ONE").is_some() {
            break;
        }
        pool::set_num_threads(threads);
        // SAFETY: the buffers cover the shape.
        let (best, median) =
            time(budget, clock, || unsafe { if count == 1 { gemm(&job) } else { batched_gemm(&job, &offsets) } });
        let rate = 2.0 * (count * m * n * k) as f64 / 1e9;
        print!("  {threads}T {:9.1} us {:6.1} (med {:6.1})", best * 1e6, rate / best, rate / median);
    }
    println!();
}

fn all<T: GemmScalar>() {
    let size = |i: usize| std::env::args().nth(i + 2).and_then(|s| s.parse().ok());
    if let (Some(m), Some(n), Some(k)) = (size(0), size(1), size(2)) {
        case::<T>("A B", (m, n, k), false);
        return case::<T>("A B^T", (m, n, k), true);
    }
    if std::env::args().nth(2).as_deref() == Some("small") {
        for m in [8, 16, 32] {
            for n in [16, 64, 256] {
                for k in [16, 32, 64, 128, 256] {
                    case::<T>("A B", (m, n, k), false);
                    case::<T>("A B^T", (m, n, k), true);
                }
            }
        }
        return;
    }
    if std::env::args().nth(2).as_deref() == Some("batch") {
        for transposed in [false, true] {
            batch::<T>("batch", 64, (128, 128, 64), transposed);
            batch::<T>("batch", 512, (16, 16, 64), transposed);
            batch::<T>("batch", 1024, (8, 8, 8), transposed);
        }
        return;
    }
    for n in [8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536] {
        case::<T>("square", (n, n, n), false);
    }
    for (m, k, n) in [
        (1, 512, 512),
        (1, 512, 2048),
        (4, 512, 2048),
        (8, 512, 2048),
        (12, 512, 512),
        (16, 512, 512),
        (24, 512, 512),
        (32, 512, 512),
        (40, 512, 512),
        (48, 512, 512),
        (64, 512, 512),
        (128, 512, 2048),
        (1024, 512, 2048),
        (1024, 2048, 512),
    ] {
        case::<T>("linear", (m, n, k), true);
        case::<T>("A B", (m, n, k), false);
    }
}

fn main() {
    println!("peak {:.1} GF/s f32, 1 thread", peak());
    match std::env::args().nth(1).as_deref() {
        Some("f64") => all::<f64>(),
        _ => all::<f32>(),
    }
}
