//! Which input positions an output position reads, and how much of each, for every mode of `interpolate`.
use super::Step;
use rsnn_cpu::sample::Taps;
use std::f64::consts::PI;

#[derive(Clone, Copy)]
pub(super) enum Filter {
    Nearest {
        exact: bool,
    },
    Linear,
    Cubic,
    /// A filter that widens when the image shrinks: how far it reaches and its weight at a distance.
    Wide {
        name: &'static str,
        radius: f64,
        weight: fn(f64) -> f64,
    },
}

impl Filter {
    pub fn of(mode: &str, antialias: bool) -> Option<Filter> {
        let wide = |name, radius, weight| Some(Filter::Wide { name, radius, weight });
        match (mode, antialias) {
            ("bilinear", true) => wide("upsample_bilinear2d_aa", 1.0, |x| (1.0 - x.abs()).max(0.0)),
            ("bicubic", true) => wide("upsample_bicubic2d_aa", 2.0, |x| cubic(x, -0.5)),
            ("lanczos", true) => wide("upsample_lanczos2d_aa", 3.0, lanczos),
            ("nearest" | "nearest-exact", false) => Some(Filter::Nearest { exact: mode == "nearest-exact" }),
            ("linear" | "bilinear" | "trilinear", false) => Some(Filter::Linear),
            ("bicubic", false) => Some(Filter::Cubic),
            _ => None,
        }
    }

    pub fn name(self, rank: usize) -> &'static str {
        match self {
            Filter::Nearest { exact: false } => {
                ["upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"][rank - 1]
            }
            Filter::Nearest { exact: true } => {
                ["upsample_nearest_exact1d", "upsample_nearest_exact2d", "upsample_nearest_exact3d"][rank - 1]
            }
            Filter::Linear => ["upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"][rank - 1],
            Filter::Cubic => "upsample_bicubic2d",
            Filter::Wide { name, .. } => name,
        }
    }

    /// Every output position is one input position.
    pub fn copies(self) -> bool {
        matches!(self, Filter::Nearest { .. })
    }

    pub fn taps(self, step: Step) -> Taps {
        let last = step.input.saturating_sub(1);
        let each = 0..step.output;
        match self {
            Filter::Nearest { exact } => Taps::new(step.input, each.map(|i| [(step.nearest(i, exact).min(last), 1.0)])),
            Filter::Linear => Taps::new(
                step.input,
                each.map(|i| {
                    let source = step.source(i).max(0.0);
                    let at = (source as usize).min(last);
                    let part = (source - at as f64).clamp(0.0, 1.0);
                    [(at, 1.0 - part), ((at + 1).min(last), part)]
                }),
            ),
            Filter::Cubic => Taps::new(
                step.input,
                each.map(|i| {
                    let source = step.source(i);
                    let first = source.floor() - 1.0;
                    [0.0, 1.0, 2.0, 3.0].map(|tap| {
                        let at = first + tap;
                        (at.clamp(0.0, last as f64) as usize, cubic(source - at, -0.75))
                    })
                }),
            ),
            Filter::Wide { radius, weight, .. } => Taps::new(step.input, each.map(|i| step.around(i, radius, weight))),
        }
    }
}

impl Step {
    /// Input positions per output position.
    fn length(self) -> f64 {
        match (self.align_corners, self.scale) {
            (true, _) if self.output > 1 => (self.input as f64 - 1.0) / (self.output as f64 - 1.0),
            (true, _) => 0.0,
            (false, Some(scale)) => 1.0 / scale,
            (false, None) => self.input as f64 / self.output as f64,
        }
    }

    /// The real-valued position that output `i` reads.
    fn source(self, i: usize) -> f64 {
        let i = i as f64;
        if self.align_corners { i * self.length() } else { (i + 0.5) * self.length() - 0.5 }
    }

    /// torch computes these positions in float32.
    fn nearest(self, i: usize, exact: bool) -> usize {
        let (i, length) = (i as f32, self.length() as f32);
        if exact { ((i + 0.5) * length) as usize } else { (i * length) as usize }
    }

    /// Positions within reach of output `i`; their weights add up to one.
    fn around(self, i: usize, radius: f64, weight: fn(f64) -> f64) -> Vec<(usize, f64)> {
        let length = self.length();
        let (support, inverse) = if length >= 1.0 { (radius * length, 1.0 / length) } else { (radius, 1.0) };
        let center = length * (i as f64 + 0.5);
        let start = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5).max(0.0) as usize).min(self.input);
        let found: Vec<_> = (start..end).map(|j| (j, weight((j as f64 - center + 0.5) * inverse))).collect();
        let total: f64 = found.iter().map(|tap| tap.1).sum();
        let total = if total == 0.0 { 1.0 } else { total };
        found.into_iter().map(|(j, w)| (j, w / total)).collect()
    }
}

/// The cubic convolution of Keys 1981 with slope parameter `a`.
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

fn lanczos(x: f64) -> f64 {
    if x == 0.0 || x.abs() >= 3.0 {
        return if x == 0.0 { 1.0 } else { 0.0 };
    }
    3.0 * (PI * x).sin() * (PI * x / 3.0).sin() / (PI * x).powi(2)
}
