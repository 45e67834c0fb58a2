//! `lerp` and `addcmul`: one pass each where the operands are floats of one dtype on the CPU, else smaller ops.
use super::{add, mul, scale, sub};
use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, Tensors, apply};
use crate::tensor::{Meta, Tensor};
use rsnn_core::{DType, Device, Element, Result, bail, broadcast_shapes};
use rsnn_cpu::loops;
use rsnn_cpu::vmath::Real;
use smallvec::smallvec;

#[derive(Clone, Copy)]
enum Blend {
    /// `a + w (b - a)`
    Lerp(f64),
    /// `x + v a b`
    Addcmul(f64),
}

use Blend::{Addcmul, Lerp};

impl Blend {
    fn meaning(self, ins: &[Tensor]) -> Result<Tensor> {
        match (self, ins) {
            (Lerp(w), [a, b]) => {
                let span = sub(b, a)?;
                if w.abs() < 0.5 { add(a, &scale(&span, w)?) } else { sub(b, &scale(&span, 1.0 - w)?) }
            }
            (Addcmul(v), [x, a, b]) => {
                let product = mul(a, b)?;
                add(x, &if v == 1.0 { product } else { scale(&product, v)? })
            }
            _ => bail!(Runtime, "{}: wrong number of inputs", self.name()),
        }
    }

    fn run<T: Element + Real>(self, call: &CpuCall) {
        let out = &call.outs[0];
        let from = |t: &Tensor| (t.ptr::<T>().cast_const(), t.layout().broadcast_strides(out.shape()));
        let (at, to) = (call.ins.iter().map(from).collect::<Vec<_>>(), (out.ptr::<T>(), out.strides()));
        match (self, &at[..]) {
            (Lerp(w), [(a, sa), (b, sb)]) => {
                let from = ((*a, &sa[..]), (*b, &sb[..]));
                let (near, rest) = (<T as Real>::from_f64(w), <T as Real>::from_f64(1.0 - w));
                // SAFETY: broadcast strides stay within each layout; `out` is fresh.
                unsafe {
                    if w.abs() < 0.5 {
                        loops::binary(
                            out.shape(),
                            from.0,
                            from.1,
                            to,
                            #[inline(always)]
                            move |a: T, b: T| a + near * (b - a),
                        );
                    } else {
                        loops::binary(
                            out.shape(),
                            from.0,
                            from.1,
                            to,
                            #[inline(always)]
                            move |a: T, b: T| b - (b - a) * rest,
                        );
                    }
                }
            }
            (Addcmul(v), [(x, sx), (a, sa), (b, sb)]) => {
                let v = <T as Real>::from_f64(v);
                // SAFETY: as above.
                unsafe {
                    loops::ternary(
                        out.shape(),
                        (*x, sx),
                        (*a, sa),
                        (*b, sb),
                        to,
                        #[inline(always)]
                        move |x: T, a: T, b: T| x + v * a * b,
                    );
                }
            }
            _ => {}
        }
    }
}

impl Op for Blend {
    fn name(&self) -> &'static str {
        match self {
            Lerp(_) => "lerp",
            Addcmul(_) => "addcmul",
        }
    }
    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let shape = ins[1..].iter().try_fold(ins[0].meta().shape, |shape, t| broadcast_shapes(&shape, t.shape()))?;
        Ok(smallvec![Meta { shape, dtype: ins[0].dtype(), device: ins[0].device() }])
    }
    fn cpu(&self, call: &CpuCall) -> Result<()> {
        match call.outs[0].dtype() {
            DType::F64 => self.run::<f64>(call),
            _ => self.run::<f32>(call),
        }
        Ok(())
    }
    fn define(&self, ins: &[Tensor]) -> Option<Result<Tensors>> {
        Some(self.meaning(ins).map(|y| smallvec![y]))
    }
    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec![None, None, None]) };
        let want = |i: usize, f: &dyn Fn() -> Result<Tensor>| if cx.needs(i) { f().map(Some) } else { Ok(None) };
        Ok(match self {
            Lerp(w) => smallvec![want(0, &|| scale(g, 1.0 - w))?, want(1, &|| scale(g, *w))?],
            Addcmul(v) => smallvec![
                Some(g.clone()),
                want(1, &|| scale(&mul(g, &cx.input(2)?)?, *v))?,
                want(2, &|| scale(&mul(g, &cx.input(1)?)?, *v))?
            ],
        })
    }
    fn saves(&self) -> Saves {
        match self {
            Lerp(_) => Saves::NONE,
            Addcmul(_) => Saves { inputs: 6, outputs: 0 },
        }
    }
    fn strided(&self) -> bool {
        true
    }
    fn pointwise(&self) -> bool {
        true
    }
}

fn blend(op: Blend, ins: &[Tensor]) -> Result<Tensor> {
    let dtype = ins[0].dtype();
    let alike = ins.iter().all(|t| t.dtype() == dtype && !t.is_number() && t.device() == Device::Cpu);
    if alike && dtype.is_float() { apply(op, ins) } else { op.meaning(ins) }
}

/// `a + weight (b - a)`, counted from the nearer end, so that weight 1 gives `b` exactly.
pub fn lerp(a: &Tensor, b: &Tensor, weight: f64) -> Result<Tensor> {
    blend(Lerp(weight), &[a.clone(), b.clone()])
}

/// `x + value a b`
pub fn addcmul(x: &Tensor, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
    blend(Addcmul(value), &[x.clone(), a.clone(), b.clone()])
}
