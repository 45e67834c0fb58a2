//! Draws against goldens.txt, which goldens.py wrote with torch; Philox against its published vectors; dropout's contract.
#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, clippy::needless_range_loop)]
use super::*;

const GOLDENS: &str = include_str!("goldens.txt");

struct Golden {
    name: &'static str,
    kind: &'static str,
    n: usize,
    digest: u64,
    after: u64,
    values: Vec<u64>,
}

fn goldens() -> impl Iterator<Item = Golden> {
    GOLDENS.lines().filter(|line| !line.starts_with("state")).map(|line| {
        let mut part = line.split_whitespace();
        let mut next = || part.next().unwrap();
        let (name, kind, n) = (next(), next(), next().parse().unwrap());
        let digest = u64::from_str_radix(next(), 16).unwrap();
        let after = next().parse().unwrap();
        let values = part.map(|v| u64::from_str_radix(v, 16).unwrap()).collect();
        Golden { name, kind, n, digest, after, values }
    })
}

trait Bits: Normal {
    fn word(self) -> u64;
    fn from_word(word: u64) -> Self;
    const DIGITS: u32;
}
impl Bits for f32 {
    fn word(self) -> u64 {
        self.to_bits().into()
    }
    fn from_word(word: u64) -> f32 {
        f32::from_bits(word as u32)
    }
    const DIGITS: u32 = 24;
}
impl Bits for f64 {
    fn word(self) -> u64 {
        self.to_bits()
    }
    fn from_word(word: u64) -> f64 {
        f64::from_bits(word)
    }
    const DIGITS: u32 = 53;
}

fn float_draw<T: Bits>(g: &mut Generator, name: &str, n: usize) -> Option<Vec<T>> {
    let mut x = vec![T::default(); n];
    let bit = |b| T::from_f64(f64::from(u8::from(b)));
    match name {
        "uniform" => g.uniform(&mut x, 0.0, 1.0),
        "uniform_range" => g.uniform(&mut x, -0.3, 0.7),
        "normal" => g.normal(&mut x, 0.0, 1.0),
        "normal_range" => g.normal(&mut x, 1.5, 0.02),
        "normal_strided" => g.normal_serial(&mut x, 0.0, 1.0),
        "exponential" => g.exponential(&mut x, 1.5),
        "log_normal" => g.log_normal(&mut x, 0.5, 2.0),
        "cauchy" => g.cauchy(&mut x, 0.5, 2.0),
        "geometric" => g.geometric(&mut x, 0.3, T::from_f64),
        "bernoulli" => g.bernoulli(&mut x, 0.3, bit),
        "bernoulli_tensor" => {
            let p: Vec<T> = (0..n).map(|i| T::from_f64(i as f64) / T::from_f64(n as f64)).collect();
            g.bernoulli_tensor(&mut x, &p, bit)
        }
        "random" => g.random_modulus(&mut x, (1 << T::DIGITS) + 1, T::DIGITS == 53, |v| T::from_f64(v as f64)),
        _ => return None,
    }
    Some(x)
}

fn integer_draw<T: Bits>(g: &mut Generator, name: &str, n: usize) -> Option<Vec<i64>> {
    let weights = |rows: usize| -> Vec<T> { (0..rows * n).map(|i| T::from_f64((i % n + 1) as f64)).collect() };
    let mut x = vec![0i64; n];
    let (rows, samples) = match name {
        "multinomial" => (2, n),
        "multinomial_one" => (3, 1),
        "multinomial_half" => (1, n.div_ceil(2)),
        "multinomial_rep" => (2, 2 * n),
        _ => (0, 0),
    };
    match name {
        _ if rows > 0 => {
            x = vec![0; rows * samples];
            g.multinomial(&weights(rows), n, samples, name.ends_with("rep"), &mut x);
        }
        "random" => g.random_modulus(&mut x, 1 << 63, true, |v| v as i64),
        "random_i32" => g.random_modulus(&mut x, 1 << 31, false, |v| v as i64),
        "randint" => g.random_from_to(&mut x, 1005, -5, |v| v),
        "randint_28" => g.random_from_to(&mut x, 1 << 28, 0, |v| v),
        "randint_40" => g.random_from_to(&mut x, (1 << 40) + 7, -7, |v| v),
        "random_full" => g.random_full(&mut x, |v| v),
        "randperm" => x = g.randperm(n),
        _ => return None,
    }
    Some(x)
}

fn digest(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf29ce484222325, |d, w| (d ^ w).wrapping_mul(0x100000001b3))
}

/// Checks every element by digest when `exact`, the listed ones to `ulps` otherwise.
fn check_float<T: Bits>(golden: &Golden, x: &[T], exact: bool, tolerance: f64) {
    let step = (golden.n / 20).max(1);
    for (i, (&w, v)) in golden.values.iter().zip(x.iter().step_by(step)).enumerate() {
        let want = T::from_word(w).to_f64();
        let error = (v.to_f64() - want).abs() / want.abs().max(1e-2);
        assert!(error <= tolerance, "{} {} n={} [{i}]: {} for {want}", golden.name, golden.kind, golden.n, v.to_f64());
    }
    let same = digest(x.iter().map(|v| v.word())) == golden.digest;
    if !same {
        eprintln!("not bit-equal: {} {} n={}", golden.name, golden.kind, golden.n);
    }
    assert!(same || !exact, "{} {} n={}: digest", golden.name, golden.kind, golden.n);
}

#[test]
fn draws_equal_torch() {
    let mut seen = 0;
    // Two words to a draw and a last word of torch's choice: the multinomial golden lists f32 and f64 as indices.
    let mut wide = false;
    for golden in goldens() {
        wide = golden.kind == "f64" || (wide && golden.kind == "i64");
        let mut g = Generator::new(0);
        // Transcendental functions may differ in the last place between math libraries.
        let loose = ["normal", "exponential", "log_normal", "cauchy"].iter().any(|s| golden.name.starts_with(s));
        let (name, n) = (golden.name, golden.n);
        match golden.kind {
            "f32" => {
                let x = float_draw::<f32>(&mut g, name, n).unwrap();
                check_float(&golden, &x, !loose, 3e-7);
            }
            "f64" => {
                let x = float_draw::<f64>(&mut g, name, n).unwrap();
                check_float(&golden, &x, !loose, 1e-14);
            }
            _ => {
                let x = if wide { integer_draw::<f64>(&mut g, name, n) } else { integer_draw::<f32>(&mut g, name, n) };
                let x = x.unwrap();
                assert_eq!(digest(x.iter().map(|&v| v as u64)), golden.digest, "{name} n={n} wide={wide}");
            }
        }
        let after = g.random() % (1 << 27);
        assert_eq!(u64::from(after), golden.after, "{name} {} n={n}: stream position", golden.kind);
        seen += 1;
    }
    assert!(seen > 200);
}

#[test]
fn state_is_torchs() {
    let line = GOLDENS.lines().find(|line| line.starts_with("state")).unwrap();
    let hex = line.split_whitespace().last().unwrap();
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let mut g = Generator::new(7);
    g.normal(&mut [0f32; 3], 0.0, 1.0);
    g.uniform(&mut [0f32; 700], 0.0, 1.0);
    assert!(g.state() == bytes);
    let mut other = Generator::default();
    other.set_state(&bytes).unwrap();
    assert_eq!(other.initial_seed(), 7);
    let (mut a, mut b) = ([0f64; 5], [0f64; 5]);
    g.normal(&mut a, 0.0, 1.0);
    other.normal(&mut b, 0.0, 1.0);
    assert_eq!(a, b);
    assert!(other.set_state(&bytes[1..]).is_err());
    assert!(other.set_state(&[0; STATE_BYTES]).is_err());
}

#[test]
fn philox_is_the_published_one() {
    assert_eq!(philox::philox_u32x4(0, 0, 0), [0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48]);
    assert_eq!(philox::philox_u32x4(!0, !0, !0), [0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662]);
    assert_eq!(
        philox::philox_u32x4(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
        [0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a]
    );
}

#[test]
fn dropout_is_keyed_and_unbiased() {
    for n in [0, 1, 127, 128, 129, 100_003] {
        let x: Vec<f32> = (0..n).map(|i| 1.0 + i as f32).collect();
        let mut y = vec![9.0f32; n];
        dropout(&x, &mut y, 0.3, 42, 5);
        for i in 0..n {
            let want = if philox::keep(42, 5, i as u64, 0.3) { x[i] * (1.0 / 0.7f64) as f32 } else { 0.0 };
            assert_eq!(y[i], want, "n={n} i={i}");
        }
        let mut z = x.clone();
        dropout_in_place(&mut z, 0.3, 42, 5);
        assert_eq!(z, y);
    }
    let mut mask = vec![0f64; 1 << 20];
    dropout_mask(&mut mask, 0.1, 1, 0);
    let kept = mask.iter().filter(|&&m| m > 0.0).count() as f64 / mask.len() as f64;
    assert!((kept - 0.9).abs() < 1e-3, "{kept}");
    let mut other = vec![0f64; 1 << 20];
    dropout_mask(&mut other, 0.1, 1, 1);
    let both = mask.iter().zip(&other).filter(|(a, b)| **a == 0.0 && **b == 0.0).count() as f64 / mask.len() as f64;
    assert!((both - 0.01).abs() < 1e-3, "{both}");
    dropout_mask(&mut mask, 1.0, 1, 0);
    assert!(mask.iter().all(|&m| m == 0.0));
    dropout_mask(&mut mask, 0.0, 1, 0);
    assert!(mask.iter().all(|&m| m == 1.0));
}
