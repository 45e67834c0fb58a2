//! Sizes of one convolution, always in three spatial dimensions (missing leading ones have size 1), the windows that its
//! three products slide, and how output positions are cut into patches.

/// "Input" is the side that windows slide over and "output" the side with one value per window, in all three products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Spatial dimensions of the tensors.
    pub rank: usize,
    pub groups: usize,
    /// Channels per group on the input side.
    pub ci: usize,
    /// Channels per group on the output side.
    pub co: usize,
    pub input: [usize; 3],
    pub output: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    pub pad: [usize; 3],
    pub dilation: [usize; 3],
}

impl Geometry {
    /// Weights of one channel pair.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
    pub fn in_len(&self) -> usize {
        self.input.iter().product()
    }
    pub fn out_len(&self) -> usize {
        self.output.iter().product()
    }
    /// True when channels do not mix and a product of matrices would be one row high.
    pub(super) fn depthwise(&self) -> bool {
        self.ci == 1 && self.groups > 1
    }

    /// The windows of the output over the input.
    pub(super) fn window(&self) -> Window {
        Window(std::array::from_fn(|a| Axis {
            input: self.input[a],
            output: self.output[a],
            taps: self.kernel[a],
            stride: self.stride[a],
            dilation: self.dilation[a],
            pad: self.pad[a] as isize,
            weight: 0,
            weight_step: 1,
            from: 0,
            every: 1,
            gap: 1,
        }))
    }

    /// The input as windows over the output: one set of windows for each remainder of a position by the stride, or for all
    /// columns over an output with gaps.
    pub(super) fn transposed_windows(&self, gaps: bool) -> Vec<Window> {
        let [d, h, w] = [0, 1, 2].map(|a| if gaps && a == 2 { vec![self.gapped(a)] } else { self.phases(a) });
        let mut all = Vec::with_capacity(d.len() * h.len() * w.len());
        for &d in &d {
            for &h in &h {
                all.extend(w.iter().map(|&w| Window([d, h, w])));
            }
        }
        all
    }

    fn gapped(&self, a: usize) -> Axis {
        Axis {
            input: (self.output[a].max(1) - 1) * self.stride[a] + 1,
            output: self.input[a],
            taps: self.kernel[a],
            stride: 1,
            dilation: self.dilation[a],
            pad: (self.dilation[a] * (self.kernel[a] - 1)) as isize - self.pad[a] as isize,
            weight: self.kernel[a] - 1,
            weight_step: -1,
            from: 0,
            every: 1,
            gap: self.stride[a],
        }
    }

    /// Positions `first`, `first + stride`, ... see the same taps: those at which the window's start is a whole output.
    fn phases(&self, a: usize) -> Vec<Axis> {
        let (stride, pad, dilation) = (self.stride[a], self.pad[a], self.dilation[a]);
        let phase = |first: usize| {
            let f = (first + pad) % stride;
            let taps: Vec<usize> = (0..self.kernel[a]).filter(|k| k * dilation % stride == f).collect();
            let (apart, step) = match taps[..] {
                [k, l, ..] => (l - k, (l - k) * dilation / stride),
                _ => (1, 1),
            };
            let start =
                taps.first().map_or(0, |k| ((first + pad) as isize - (k * dilation) as isize) / stride as isize);
            Axis {
                input: self.output[a],
                output: (self.input[a] - first).div_ceil(stride),
                taps: taps.len(),
                stride: 1,
                dilation: step,
                pad: (step * taps.len().saturating_sub(1)) as isize - start,
                weight: taps.last().copied().unwrap_or(0),
                weight_step: -(apart as isize),
                from: first,
                every: stride,
                gap: 1,
            }
        };
        (0..stride.min(self.input[a])).map(phase).collect()
    }
}

/// One axis of a window: `y[o]` takes `x[o stride + t dilation - pad]` for each tap `t`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub input: usize,
    pub output: usize,
    pub taps: usize,
    pub stride: usize,
    pub dilation: usize,
    pub pad: isize,
    /// Tap `t` has the weight `weight + t weight_step` of the kernel.
    pub weight: usize,
    pub weight_step: isize,
    /// Output `o` lies at `from + o every` of its tensor.
    pub from: usize,
    pub every: usize,
    /// Only every `gap`-th element of the input is there, the others are zero; `input` counts both.
    pub gap: usize,
}

impl Axis {
    const UNIT: Axis = Axis {
        input: 1,
        output: 1,
        taps: 1,
        stride: 1,
        dilation: 1,
        pad: 0,
        weight: 0,
        weight_step: 1,
        from: 0,
        every: 1,
        gap: 1,
    };

    /// The window is the input itself.
    fn plain(&self) -> bool {
        self.taps == 1
            && self.stride == 1
            && self.pad == 0
            && self.input == self.output
            && self.every == 1
            && self.gap == 1
    }
}

/// Depth, height and width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(pub [Axis; 3]);

impl Window {
    pub fn taps(&self) -> usize {
        self.0.iter().map(|a| a.taps).product()
    }
    pub fn outputs(&self) -> usize {
        self.0.iter().map(|a| a.output).product()
    }
    /// The result is the whole of its tensor, in order.
    pub fn dense(&self) -> bool {
        self.0.iter().all(|a| a.every == 1)
    }
    /// Index in the kernel of every tap, in the order of the product's sums.
    pub fn weights(&self, kernel: [usize; 3]) -> Vec<usize> {
        let at = |a: usize, t: usize| (self.0[a].weight as isize + t as isize * self.0[a].weight_step) as usize;
        let [d, h, w] = self.0.map(|a| a.taps);
        let mut all = Vec::with_capacity(d * h * w);
        for i in 0..d {
            for j in 0..h {
                all.extend((0..w).map(|k| (at(0, i) * kernel[1] + at(1, j)) * kernel[2] + at(2, k)));
            }
        }
        all
    }
    /// A pointwise window over an image without gaps is a window over one long row.
    pub fn flat(self, strides: [isize; 3]) -> Window {
        let len = |a: usize| self.0[a].input as isize;
        let gapless = strides[1] == strides[2] * len(2) && strides[0] == strides[1] * len(1);
        if !gapless || !self.0.iter().all(Axis::plain) {
            return self;
        }
        let n = self.outputs();
        Window([Axis::UNIT, Axis::UNIT, Axis { input: n, output: n, ..Axis::UNIT }])
    }
}

/// A box of output positions: images, depth, height, width. It covers its inner dimensions whole, up to one that it cuts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patch {
    pub lo: [usize; 4],
    pub len: [usize; 4],
}

impl Patch {
    pub fn positions(&self) -> usize {
        self.len.iter().product()
    }
}

/// All output positions of `images` images in patches of about `target` positions.
#[derive(Clone, Copy)]
pub(super) struct Patches {
    size: [usize; 4],
    len: [usize; 4],
    count: [usize; 4],
}

impl Patches {
    pub fn new(images: usize, window: &Window, target: usize) -> Patches {
        let [d, h, w] = window.0.map(|a| a.output);
        let size = [images, d, h, w];
        let (mut len, mut inner, mut whole) = ([1; 4], 1, true);
        for a in (0..4).rev() {
            if whole {
                let most = ((target + inner / 2) / inner).max(1);
                // Equal parts; a cut row is cut where vectors end.
                let unit = if a == 3 && size[a] > most { 64 } else { 1 };
                len[a] = size[a].div_ceil(size[a].div_ceil(most)).next_multiple_of(unit).min(size[a]);
                whole = len[a] == size[a];
                inner *= size[a];
            }
        }
        Patches { size, len, count: std::array::from_fn(|a| size[a].div_ceil(len[a])) }
    }
    pub fn count(&self) -> usize {
        self.count.iter().product()
    }
    /// Positions of the largest patch.
    pub fn positions(&self) -> usize {
        self.len.iter().product()
    }
    pub fn get(&self, mut i: usize) -> Patch {
        let (mut lo, mut len) = ([0; 4], self.len);
        for a in (0..4).rev() {
            lo[a] = i % self.count[a] * self.len[a];
            len[a] = self.len[a].min(self.size[a] - lo[a]);
            i /= self.count[a];
        }
        Patch { lo, len }
    }
}
