//! What a caller may ask of a pool, checked with torch's phrases.
use super::windows::{Sliding, spread};
use crate::tensor::Tensor;
use rsnn_core::{Result, bail, ensure};

/// Spatial dimensions that a list of sizes speaks of.
pub(super) fn rank(op: &str, list: &[i64]) -> Result<usize> {
    ensure!((1..=3).contains(&list.len()), Runtime, "{op}: expected 1 to 3 sizes, got {list:?}");
    Ok(list.len())
}

fn has_rank(x: &Tensor, rank: usize) -> bool {
    x.ndim() == rank + 1 || x.ndim() == rank + 2
}

/// Dimensions that must not be empty: all but the batch.
fn filled(x: &Tensor, rank: usize) -> bool {
    x.shape()[x.ndim() - rank - 1..].iter().all(|&n| n > 0)
}

fn wrong_rank(name: &str, x: &Tensor, rank: usize) -> String {
    if rank == 1 {
        let n = x.ndim();
        return format!(
            "Expected 2 to 3 dimensions, but got {n}-dimensional tensor for argument #1 'self' (while checking arguments for {name})"
        );
    }
    format!("non-empty {}D or {}D (batch mode) tensor expected for input", rank + 1, rank + 2)
}

pub(super) fn max_input(name: &str, x: &Tensor, rank: usize) -> Result<()> {
    let lead = if rank == 1 { format!("{name}: ") } else { String::new() };
    if !has_rank(x, rank) && rank > 1 {
        bail!(Runtime, "{}", wrong_rank(name, x, rank));
    }
    ensure!(
        has_rank(x, rank) && filled(x, rank),
        Runtime,
        "{lead}Expected {}D or {}D (batch mode) tensor with optional 0 dim batch size for input, but got:{:?}",
        rank + 1,
        rank + 2,
        x.shape()
    );
    Ok(())
}

pub(super) fn avg_input(name: &str, x: &Tensor, rank: usize) -> Result<()> {
    ensure!(has_rank(x, rank), Runtime, "{}", wrong_rank(name, x, rank));
    ensure!(
        filled(x, rank),
        Runtime,
        "Expected {}D or {}D (batch mode) tensor with optional 0 dim batch size for input, but got:{:?}",
        rank + 1,
        rank + 2,
        x.shape()
    );
    Ok(())
}

/// Lists in the order kernel, stride (empty: the kernel), padding, dilation.
pub(super) fn sliding(name: &str, rank: usize, lists: [&[i64]; 4], ceil_mode: bool) -> Result<Sliding> {
    let [kernel, stride, padding, dilation] = lists;
    let k = spread(name, "kernel_size", kernel, rank, 1)?;
    let s = if stride.is_empty() { k } else { spread(name, "stride", stride, rank, 1)? };
    let p = spread(name, "padding", padding, rank, 0)?;
    let d = spread(name, "dilation", dilation, rank, 1)?;
    let skip = 3 - rank;
    if rank == 1 && name.starts_with("max") {
        ensure!(k[2] > 0, Runtime, "{name}() kernel_size must be greater than zero, but got {}", k[2]);
        ensure!(s[2] > 0, Runtime, "{name}() stride must be greater than zero, but got {}", s[2]);
        ensure!(d[2] > 0, Runtime, "{name}() dilation must be greater than zero, but got {}", d[2]);
        ensure!(
            p[2] <= k[2] / 2,
            Runtime,
            "{name}() padding should be at most half of kernel size, but got padding={} and kernel_size={}",
            p[2],
            k[2]
        );
    }
    ensure!(s.iter().all(|&v| v > 0), Runtime, "stride should not be zero");
    ensure!(k.iter().all(|&v| v > 0), Runtime, "kernel size should be greater than zero, but got {:?}", &k[skip..]);
    ensure!(d.iter().all(|&v| v > 0), Runtime, "dilation should be greater than zero, but got {:?}", &d[skip..]);
    for a in skip..3 {
        ensure!(
            p[a] <= (k[a] - 1).saturating_mul(d[a]).div_ceil(2),
            Runtime,
            "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and dilation={}",
            p[a],
            k[a],
            d[a]
        );
        ensure!(
            (k[a] - 1).checked_mul(d[a]).is_some_and(|v| v < 1 << 60),
            Runtime,
            "{name}: the window is larger than 2^60"
        );
    }
    Ok(Sliding { kernel: k, stride: s, pad: p, dilation: d, ceil_mode, count_include_pad: false })
}

fn input_of(x: &Tensor, rank: usize) -> [usize; 3] {
    let mut input = [1; 3];
    input[3 - rank..].copy_from_slice(&x.shape()[x.ndim() - rank..]);
    input
}

/// Spatial sizes of the input, once at least one window fits.
pub(super) fn fits(name: &str, x: &Tensor, rank: usize, s: &Sliding) -> Result<[usize; 3]> {
    let input = input_of(x, rank);
    let out: Vec<i64> = (3 - rank..3).map(|a| s.outputs(a, input[a])).collect();
    if out.iter().all(|&n| n > 0) {
        return Ok(input);
    }
    if name == "max_pool1d" {
        bail!(Runtime, "{name}() Invalid computed output size: {}", out[0]);
    }
    let channels = x.shape()[x.ndim() - rank - 1];
    let by = |sizes: Vec<String>| sizes.join("x");
    let one = if rank == 1 { "1x" } else { "" };
    bail!(
        Runtime,
        "Given input size: ({channels}x{one}{}). Calculated output size: ({channels}x{one}{}). Output size is too small",
        by(input[3 - rank..].iter().map(ToString::to_string).collect()),
        by(out.iter().map(ToString::to_string).collect())
    )
}

/// Spatial sizes of input and output of an adaptive pool.
pub(super) fn adaptive(name: &str, x: &Tensor, rank: usize, output: &[i64]) -> Result<([usize; 3], [usize; 3])> {
    if !has_rank(x, rank) {
        if rank == 1 {
            bail!(Runtime, "{}", wrong_rank(name, x, rank));
        }
        let got = if name.contains("max") { "got:" } else { "got" };
        bail!(Runtime, "{name}(): Expected {}D or {}D tensor, but {got} {:?}", rank + 1, rank + 2, x.shape());
    }
    if let Some(d) = (1..x.ndim()).find(|&d| x.shape()[d] == 0) {
        bail!(
            Runtime,
            "{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {:?} with dimension {d} being empty",
            x.shape()
        );
    }
    let mut out = [1; 3];
    for (o, &n) in out[3 - rank..].iter_mut().zip(output) {
        let list = output.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ensure!(
            n >= 0,
            Runtime,
            "{name}: elements of output_size must be greater than or equal to 0 but received {{{list}}}"
        );
        *o = n as usize;
    }
    Ok((input_of(x, rank), out))
}
