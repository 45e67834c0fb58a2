//! cross_entropy and nll_loss on dense float32 rows with int64 targets, forward and backward.

use rsnn_gpu::{Binding, GpuBuffer, Kernel, Params, Result, grid_1d, index_u32};

pub const SOURCE: &str = include_str!("kernel.wgsl");

/// A dense tensor: its buffer and its offset in elements.
pub type Dense<'a> = (&'a GpuBuffer, usize);

/// What forward and backward share.
#[derive(Clone, Copy)]
pub struct Loss<'a> {
    pub rows: usize,
    pub classes: usize,
    /// `x` holds log-probabilities: nll_loss.
    pub nll: bool,
    pub ignore_index: i64,
    pub smoothing: f32,
    pub weight: Option<Dense<'a>>,
}

/// Writes (loss, weight) of each row to `out`, 8 bytes a row, and its log-sum-exp to `stats`, 4 bytes a row.
/// The mean is the sum of the losses over the sum of the weights.
pub fn cross_entropy(loss: Loss, x: Dense, targets: Dense, stats: &GpuBuffer, out: &GpuBuffer) -> Result<()> {
    let bindings = vec![Binding::read(x.0), Binding::read(targets.0), Binding::write(stats), Binding::write(out)];
    launch(loss, x, targets, None, 1, 0, bindings)
}

/// Writes the gradient of `x` to `dx`. `g` is the gradient of each row's loss, or of all with `g_stride` 0.
pub fn cross_entropy_backward(
    loss: Loss,
    x: Dense,
    targets: Dense,
    stats: &GpuBuffer,
    g: Dense,
    g_stride: usize,
    dx: Dense,
) -> Result<()> {
    let bindings =
        vec![Binding::read(x.0), Binding::read(targets.0), Binding::write(stats), Binding::write(dx.0), Binding::read(g.0)];
    launch(loss, x, targets, Some(g), g_stride, dx.1, bindings)
}

fn launch<'a>(
    loss: Loss<'a>,
    x: Dense,
    targets: Dense,
    g: Option<Dense>,
    g_stride: usize,
    o_offset: usize,
    mut bindings: Vec<Binding<'a>>,
) -> Result<()> {
    let mut defines = Vec::with_capacity(4);
    if let Some((buffer, _)) = loss.weight {
        defines.push(("WEIGHT", if g.is_some() { "5" } else { "4" }));
        bindings.push(Binding::read(buffer));
    }
    let flags = [("NLL", loss.nll), ("SMOOTH", loss.smoothing != 0.0), ("BACKWARD", g.is_some())];
    defines.extend(flags.iter().filter(|(_, on)| *on).map(|(name, _)| (*name, "")));
    let mut params = Params::new();
    let offsets = [x.1, targets.1, loss.weight.map_or(0, |w| w.1), g.map_or(0, |g| g.1), o_offset];
    for word in [loss.rows, loss.classes].into_iter().chain(offsets) {
        params = params.u32(index_u32(word)?);
    }
    let ignore = loss.ignore_index as u64;
    let params = params.u32(ignore as u32).u32((ignore >> 32) as u32).f32(loss.smoothing).u32(index_u32(g_stride)?);
    let grid = if loss.rows == 0 || loss.classes == 0 { [0; 3] } else { grid_1d(loss.rows as u64) };
    let name = if loss.nll { "nll_loss" } else { "cross_entropy" };
    x.0.context().launch(&Kernel { name, source: SOURCE, defines: &defines }, &bindings, &params, grid)
}
