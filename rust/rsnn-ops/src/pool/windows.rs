//! The windows of a pooling op: along each of three axes (missing leading ones have size 1) a list of spans.
use crate::tensor::Tensor;
use rsnn_core::{Result, bail, ensure};
use rsnn_cpu::vmath::Real;

/// Elements `start, start + step, .. < end` of one axis, and how many a mean counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
    pub count: usize,
}

/// `count` columns from `first` on, whose windows of `taps` elements begin at `start`, `start + stride`, ..
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub first: usize,
    pub count: usize,
    pub start: usize,
    pub stride: usize,
    pub taps: usize,
}

impl Run {
    /// The longest windows of a row; none where a place in a plane of `len` elements needs more than 32 bits.
    fn new(spans: &[Span], step: usize, len: usize) -> Run {
        let width = |s: &Span| s.end - s.start;
        let most = spans.iter().map(width).max().unwrap_or(0);
        let first = spans.iter().position(|s| width(s) == most).unwrap_or(0);
        let start = spans.get(first).map_or(0, |s| s.start);
        let stride = spans.get(first + 1).map_or(0, |s| s.start - start);
        let fits = |(i, s): &(usize, &Span)| width(s) == most && s.start == start + i * stride;
        let count = spans.iter().skip(first).enumerate().take_while(fits).count();
        let usable = most > 0 && u32::try_from(len).is_ok();
        Run { first, count: if usable { count } else { 0 }, start, stride, taps: most.div_ceil(step) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub rank: usize,
    pub axes: [Vec<Span>; 3],
    pub step: [usize; 3],
    pub input: [usize; 3],
    /// What a mean divides by instead of the number of elements.
    pub divisor: Option<f64>,
    pub run: Run,
}

/// Arguments of a sliding pool, in three dimensions.
pub(super) struct Sliding {
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub pad: [usize; 3],
    pub dilation: [usize; 3],
    pub ceil_mode: bool,
    pub count_include_pad: bool,
}

impl Windows {
    pub fn in_len(&self) -> usize {
        self.input.iter().product()
    }
    pub fn out_len(&self) -> usize {
        self.axes.iter().map(Vec::len).product()
    }
    /// Elements that the windows of one plane read.
    pub fn reads(&self) -> usize {
        self.axes.iter().map(|a| a.iter().map(|s| s.end - s.start).sum::<usize>()).product()
    }

    fn new(rank: usize, axes: [Vec<Span>; 3], step: [usize; 3], input: [usize; 3], divisor: Option<f64>) -> Windows {
        let run = Run::new(&axes[2], step[2], input.iter().product());
        Windows { rank, axes, step, input, divisor, run }
    }

    /// The windows of a plane of a fractional pool (Graham 2014): one number in [0, 1) for each axis sets the steps.
    pub fn fractional<T: Real>(
        rank: usize,
        input: [usize; 3],
        kernel: [usize; 3],
        output: [usize; 3],
        draw: [T; 3],
    ) -> Windows {
        let axes = [0, 1, 2].map(|a| {
            let (last, n) = (input[a] - kernel[a], output[a]);
            let step = T::from_f64(last as f64) / T::from_f64(n.saturating_sub(1) as f64);
            let place = |o: usize| ((T::from_f64(o as f64) + draw[a]) * step).to_f64() as usize;
            let span = |o: usize| {
                let start = if o + 1 == n { last } else { (place(o) - place(0)).min(last) };
                Span { start, end: start + kernel[a], count: kernel[a] }
            };
            (0..n).map(span).collect()
        });
        Windows::new(rank, axes, [1; 3], input, None)
    }

    /// Shape of the result for input `x`.
    pub fn shape(&self, x: &Tensor) -> Vec<usize> {
        let mut shape = x.shape()[..x.ndim() - self.rank].to_vec();
        shape.extend(self.axes[3 - self.rank..].iter().map(Vec::len));
        shape
    }

    pub fn adaptive(rank: usize, input: [usize; 3], output: [usize; 3]) -> Windows {
        let axes = [0, 1, 2].map(|a| {
            let (n, m) = (input[a], output[a]);
            let span = |o: usize| {
                let (start, end) = (o * n / m, ((o + 1) * n).div_ceil(m));
                Span { start, end, count: end - start }
            };
            (0..m).map(span).collect()
        });
        Windows::new(rank, axes, [1; 3], input, None)
    }

    pub fn sliding(rank: usize, input: [usize; 3], s: &Sliding, divisor: Option<f64>) -> Windows {
        let axes =
            [0, 1, 2].map(|a| (0..s.outputs(a, input[a]).max(0) as usize).map(|o| s.span(a, o, input[a])).collect());
        Windows::new(rank, axes, s.dilation, input, divisor)
    }
}

impl Sliding {
    /// How many windows fit along an axis of `n`; negative or zero when none does.
    pub fn outputs(&self, a: usize, n: usize) -> i64 {
        let [k, s, p, d] = [self.kernel[a], self.stride[a], self.pad[a], self.dilation[a]].map(|v| v as i64);
        let n = n as i64;
        let room = n + 2 * p - d * (k - 1) - 1 + if self.ceil_mode { s - 1 } else { 0 };
        let count = room.div_euclid(s) + 1;
        // The last window must start inside the input or its leading padding.
        if self.ceil_mode && (count - 1) * s >= n + p { count - 1 } else { count }
    }

    fn span(&self, a: usize, o: usize, n: usize) -> Span {
        let (k, p, d) = (self.kernel[a], self.pad[a], self.dilation[a]);
        let first = o * self.stride[a];
        // Positions count from the start of the padding.
        let padded_end = (first + k).min(n + 2 * p).max(first);
        let start = if first < p { first + (p - first).div_ceil(d) * d - p } else { first - p };
        let end = (first + (k - 1) * d + 1).saturating_sub(p).min(n).max(start.min(n));
        let start = start.min(end);
        Span { start, end, count: if self.count_include_pad { padded_end - first } else { end - start } }
    }
}

/// A list argument in three dimensions; one value stands for all.
pub(super) fn spread(op: &str, name: &str, list: &[i64], rank: usize, missing: usize) -> Result<[usize; 3]> {
    ensure!(
        list.len() == rank || list.len() == 1,
        Runtime,
        "{op}: {name} must either be a single int, or a tuple of {rank} ints, but got {list:?}"
    );
    let mut out = [missing; 3];
    for i in 0..rank {
        let v = if list.len() == 1 { list[0] } else { list[i] };
        if !(0..1 << 40).contains(&v) {
            match name {
                "padding" => bail!(Runtime, "{op}: pad must be non-negative, but got pad: {v}"),
                _ => bail!(Runtime, "{op}: {name} should be greater than zero, but got {v}"),
            }
        }
        out[3 - rank + i] = v as usize;
    }
    Ok(out)
}
