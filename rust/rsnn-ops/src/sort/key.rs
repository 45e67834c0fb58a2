//! Sort keys: every element becomes an unsigned number of the same order, packed with its place.
use rsnn_cpu::pool;
use rsnn_cpu::rows::reduce::{Axis, Order};

/// One line of elements along the reduced dimension.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub number: usize,
    start: usize,
    step: usize,
    pub len: usize,
}

impl Line {
    /// Offset of element `i`.
    #[inline(always)]
    pub fn at(self, i: usize) -> usize {
        self.start + i * self.step
    }
}

/// Keys with places of one line, reused from line to line.
#[derive(Default)]
pub(super) struct Buffer {
    narrow: Vec<u64>,
    wide: Vec<u128>,
}

impl Buffer {
    /// Calls `f(rank, place)` in the order of the keys.
    pub fn each(&self, mut f: impl FnMut(usize, usize)) {
        self.narrow.iter().enumerate().for_each(|(r, k)| f(r, *k as u32 as usize));
        self.wide.iter().enumerate().for_each(|(r, k)| f(r, *k as u64 as usize));
    }

    /// The place at `rank`.
    pub fn place(&self, rank: usize) -> usize {
        match self.narrow.get(rank) {
            Some(k) => *k as u32 as usize,
            None => self.wide[rank] as u64 as usize,
        }
    }
}

/// Calls `f` for every line, in parallel.
pub(super) fn lines(axis: Axis, f: impl Fn(Line, &mut Buffer) + Sync) {
    let Axis { outer, len, inner } = axis;
    let count = outer * inner;
    let chunks = pool::split(count, (1usize << 13) / len.max(1));
    pool::for_each_chunk(chunks, |c| {
        let mut buffer = Buffer::default();
        for number in pool::range(count, chunks, c) {
            let start = number / inner * len * inner + number % inner;
            f(Line { number, start, step: inner, len }, &mut buffer);
        }
    });
}

/// Elements with an order that fits an unsigned number; NaN comes last and -0 equals 0.
pub(super) trait Key: Order {
    /// The key needs more than 32 bits.
    const WIDE: bool;
    fn key(self) -> u64;

    /// Fills `buffer` with the keys of a line and arranges them: `narrow` or `wide` is called on the packed keys.
    fn order(
        x: &[Self],
        line: Line,
        descending: bool,
        buffer: &mut Buffer,
        narrow: impl Fn(&mut [u64]),
        wide: impl Fn(&mut [u128]),
    ) {
        buffer.narrow.clear();
        buffer.wide.clear();
        let places = 0..line.len;
        if !Self::WIDE && line.len <= u32::MAX as usize {
            let flip = if descending { u64::from(u32::MAX) } else { 0 };
            buffer.narrow.extend(places.map(|i| (x[line.at(i)].key() ^ flip) << 32 | i as u64));
            narrow(&mut buffer.narrow);
        } else {
            let flip = match (descending, Self::WIDE) {
                (false, _) => 0,
                (true, true) => u64::MAX,
                (true, false) => u64::from(u32::MAX),
            };
            buffer.wide.extend(places.map(|i| u128::from(x[line.at(i)].key() ^ flip) << 64 | i as u128));
            wide(&mut buffer.wide);
        }
    }
}

macro_rules! float_key {
    ($t:ty, $wide:literal, $bits:ty) => {
        impl Key for $t {
            const WIDE: bool = $wide;
            #[inline(always)]
            fn key(self) -> u64 {
                const TOP: $bits = 1 << (<$bits>::BITS - 1);
                let bits = (self + 0.0).to_bits();
                let key = if bits & TOP != 0 { !bits } else { bits | TOP };
                (if self != self { <$bits>::MAX } else { key }) as u64
            }
        }
    };
}
float_key!(f32, false, u32);
float_key!(f64, true, u64);

macro_rules! int_key {
    ($($t:ty),*) => {$(
        impl Key for $t {
            const WIDE: bool = false;
            #[inline(always)]
            fn key(self) -> u64 {
                u64::from(self as i32 as u32 ^ (1 << 31))
            }
        }
    )*};
}
int_key!(bool, u8, i8, i16, i32);

impl Key for i64 {
    const WIDE: bool = true;
    #[inline(always)]
    fn key(self) -> u64 {
        self as u64 ^ (1 << 63)
    }
}
