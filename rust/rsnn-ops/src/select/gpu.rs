//! where on the GPU: picks from two 4-byte tensors by a bool tensor, with broadcasting.
use crate::gpu::{lift, no_kernel, operand, strided};
use crate::op::GpuCall;
use crate::tensor::Tensor;
use rsnn_core::Result;
use rsnn_gpu::{Binding, Kernel, Params, Strided, index_u32};

pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");

/// `out = condition ? a : b`.
pub(super) fn run(call: &GpuCall) -> Result<()> {
    let out = &call.outs[0];
    if out.dtype().size() != 4 {
        return Err(no_kernel("where", out.dtype()));
    }
    let ins = [
        operand(&call.ins[0], call.ins[0].dtype(), call)?,
        operand(&call.ins[1], out.dtype(), call)?,
        operand(&call.ins[2], out.dtype(), call)?,
    ];
    launch(&ins, out)
}

fn launch(ins: &[Tensor; 3], out: &Tensor) -> Result<()> {
    let shape = out.shape();
    let steps = ins.each_ref().map(|t| t.layout().broadcast_strides(shape));
    let dims = lift(Strided::new(shape, [&steps[0][..], &steps[1][..], &steps[2][..]]))?;
    let views = [strided(&ins[0], &steps[0])?, strided(&ins[1], &steps[1])?, strided(&ins[2], &steps[2])?];
    let mut params = dims.write(Params::new()).u32(lift(index_u32(dims.count as usize))?);
    for view in &views {
        params = params.u32(lift(index_u32(view.offset))?);
    }
    let to = crate::gpu::buffer(out)?;
    let [c, a, b] = views.map(|view| Binding::read(view.buffer));
    let kernel = Kernel { name: "where", source: SOURCE, defines: dims.defines() };
    lift(to.context().launch_1d(&kernel, &[c, a, b, Binding::write(to)], &params, dims.count))
}
