//! What a caller may ask of a convolution, checked with torch's phrases, as sizes.
use crate::tensor::Tensor;
use rsnn_core::{Result, bail, ensure};
use rsnn_cpu::conv::Geometry;

pub(super) struct Request<'a> {
    pub x: &'a Tensor,
    pub w: &'a Tensor,
    pub b: Option<&'a Tensor>,
    pub stride: &'a [i64],
    pub padding: &'a [i64],
    pub dilation: &'a [i64],
    pub output_padding: &'a [i64],
    pub groups: i64,
    pub transposed: bool,
}

/// A list argument in three dimensions; one value stands for all.
fn spread(name: &str, list: &[i64], rank: usize, missing: i64) -> Result<[i64; 3]> {
    ensure!(
        list.len() == rank || list.len() == 1,
        Runtime,
        "expected {name} to be a single integer value or a list of {rank} values to match the convolution dimensions, but got {name}={list:?}"
    );
    let mut out = [missing; 3];
    for (i, o) in out[3 - rank..].iter_mut().enumerate() {
        *o = if list.len() == 1 { list[0] } else { list[i] };
    }
    Ok(out)
}

fn by(sizes: &[i64]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

fn sizes3(spatial: &[usize]) -> [usize; 3] {
    let mut out = [1; 3];
    out[3 - spatial.len()..].copy_from_slice(spatial);
    out
}

impl Request<'_> {
    pub fn geometry(&self) -> Result<Geometry> {
        let (x, w) = (self.x, self.w);
        let rank = w.ndim().wrapping_sub(2);
        let of = if self.transposed { "conv_transpose" } else { "conv" };
        ensure!((1..=3).contains(&rank), Runtime, "{of}: expected weight of 3 to 5 dimensions, got {:?}", w.shape());
        ensure!(
            x.ndim() == rank + 1 || x.ndim() == rank + 2,
            Runtime,
            "Expected {}D (unbatched) or {}D (batched) input to {of}{rank}d, but got input of size: {:?}",
            rank + 1,
            rank + 2,
            x.shape()
        );
        let stride = spread("stride", self.stride, rank, 1)?;
        let pad = spread("padding", self.padding, rank, 0)?;
        let dilation = spread("dilation", self.dilation, rank, 1)?;
        let extra = spread("output_padding", self.output_padding, rank, 0)?;
        self.check_numbers(&pad, &extra, &stride, &dilation, rank)?;
        self.check_channels(rank)?;
        let groups = self.groups as usize;
        let (a, b) = (w.shape()[0] / groups, w.shape()[1]);
        let spatial = sizes3(&x.shape()[x.ndim() - rank..]);
        let kernel = sizes3(&w.shape()[2..]);
        let wide = |v: [i64; 3]| v.map(|v| v as usize);
        let other = self.other_side(spatial, kernel, [stride, pad, dilation, extra], rank)?;
        let (input, output) = if self.transposed { (other, spatial) } else { (spatial, other) };
        Ok(Geometry {
            rank,
            groups,
            ci: b,
            co: a,
            input,
            output,
            kernel,
            stride: wide(stride),
            pad: wide(pad),
            dilation: wide(dilation),
        })
    }

    fn check_numbers(&self, pad: &[i64], extra: &[i64], stride: &[i64], dilation: &[i64], rank: usize) -> Result<()> {
        const LARGE: i64 = 1 << 40;
        ensure!(pad.iter().all(|&v| v >= 0), Runtime, "negative padding is not supported");
        ensure!(extra.iter().all(|&v| v >= 0), Runtime, "negative output_padding is not supported");
        ensure!(stride.iter().all(|&v| v > 0), Runtime, "non-positive stride is not supported");
        ensure!(
            dilation.iter().all(|&v| v > 0),
            Runtime,
            "dilation should be greater than zero, but got {:?}",
            &dilation[3 - rank..]
        );
        let all = [pad, extra, stride, dilation];
        ensure!(
            all.iter().flat_map(|l| l.iter()).all(|&v| v < LARGE),
            Runtime,
            "conv: an argument is larger than 2^40"
        );
        ensure!(self.groups > 0, Runtime, "non-positive groups is not supported");
        ensure!(
            extra.iter().zip(stride.iter().zip(dilation)).all(|(e, (s, d))| e < s || e < d),
            Runtime,
            "output padding must be smaller than either stride or dilation, but got output_padding: {:?} stride: {:?} dilation: {:?}",
            &extra[3 - rank..],
            &stride[3 - rank..],
            &dilation[3 - rank..]
        );
        Ok(())
    }

    fn check_channels(&self, rank: usize) -> Result<()> {
        let (x, w, groups) = (self.x, self.w, self.groups as usize);
        ensure!(
            w.shape()[0] >= groups,
            Runtime,
            "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {:?} instead",
            w.shape()
        );
        ensure!(
            w.shape()[0] % groups == 0,
            Runtime,
            "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size [{:?}] instead",
            w.shape()
        );
        let channels = x.shape()[x.ndim() - rank - 1];
        let (given, wanted, out) = if self.transposed {
            ("transposed=1".to_string(), w.shape()[0], w.shape()[1] * groups)
        } else {
            (format!("groups={groups}"), w.shape()[1] * groups, w.shape()[0])
        };
        let mut batch = x.shape().to_vec();
        if x.ndim() == rank + 1 {
            batch.insert(0, 1);
        }
        ensure!(
            channels == wanted,
            Runtime,
            "Given {given}, weight of size {:?}, expected input{batch:?} to have {wanted} channels, but got {channels} channels instead",
            w.shape()
        );
        if let Some(b) = self.b {
            let given = if self.transposed { "transposed=1, " } else { "" };
            ensure!(
                b.shape() == [out],
                Runtime,
                "Given {given}weight of size {:?}, expected bias to be 1-dimensional with {out} elements, but got bias of size {:?} instead",
                w.shape(),
                b.shape()
            );
        }
        Ok(())
    }

    /// Spatial sizes of the result.
    fn other_side(
        &self,
        from: [usize; 3],
        kernel: [usize; 3],
        lists: [[i64; 3]; 4],
        rank: usize,
    ) -> Result<[usize; 3]> {
        let [stride, pad, dilation, extra] = lists;
        let skip = 3 - rank;
        let from = from.map(|v| v as i64);
        let reach: Vec<i64> =
            (0..3).map(|a| dilation[a].saturating_mul(kernel[a] as i64 - 1).min(1 << 60) + 1).collect();
        ensure!(
            kernel[skip..].iter().all(|&k| k > 0),
            Runtime,
            "conv: expected a kernel without empty dimension, got {:?}",
            self.w.shape()
        );
        if self.transposed {
            let out: Vec<i64> = (0..3)
                .map(|a| (from[a] - 1).saturating_mul(stride[a]).min(1 << 60) - 2 * pad[a] + reach[a] + extra[a])
                .collect();
            ensure!(
                out.iter().all(|&v| v > 0),
                Runtime,
                "Given input size per channel: ({}). Calculated output size per channel: ({}). Output size is too small",
                by(&from[skip..]),
                by(&out[skip..])
            );
            return Ok([out[0] as usize, out[1] as usize, out[2] as usize]);
        }
        let padded: Vec<i64> = (0..3).map(|a| from[a] + 2 * pad[a]).collect();
        if (0..3).any(|a| padded[a] < reach[a]) {
            bail!(
                Runtime,
                "Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size can't be greater than actual input size",
                by(&padded[skip..]),
                by(&reach[skip..])
            );
        }
        Ok([0, 1, 2].map(|a| ((padded[a] - reach[a]) / stride[a] + 1) as usize))
    }
}
