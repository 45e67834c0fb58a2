//! Small elementwise ops as tables: binary (arithmetic, comparison, logic) here and in `num`, unary in `unary`.
mod blend;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod num;
mod promote;

pub use blend::{addcmul, lerp};
pub use promote::{common, default_dtype, result_type, set_default_dtype};

use crate::autograd::Ctx;
use crate::op::{CpuCall, Grads, Metas, Op, Saves, apply};
use crate::tensor::{Meta, Tensor};
use num::Num;
use rsnn_core::{DType, Device, Element, Result, bail, broadcast_shapes, ensure};
use rsnn_cpu::{loops, vmath};
use std::borrow::Cow;

/// The binary ops; names are torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDivide,
    Remainder,
    Fmod,
    Pow,
    Maximum,
    Minimum,
    Atan2,
    Hypot,
    Copysign,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    LogicalAnd,
    LogicalOr,
    LogicalXor,
    BitwiseAnd,
    BitwiseOr,
    BitwiseXor,
    ShiftLeft,
    ShiftRight,
}

use Binary::*;

impl Binary {
    pub const ALL: [Binary; 27] = [
        Add,
        Sub,
        Mul,
        Div,
        FloorDivide,
        Remainder,
        Fmod,
        Pow,
        Maximum,
        Minimum,
        Atan2,
        Hypot,
        Copysign,
        Eq,
        Ne,
        Lt,
        Le,
        Gt,
        Ge,
        LogicalAnd,
        LogicalOr,
        LogicalXor,
        BitwiseAnd,
        BitwiseOr,
        BitwiseXor,
        ShiftLeft,
        ShiftRight,
    ];

    fn is_comparison(self) -> bool {
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | LogicalAnd | LogicalOr | LogicalXor)
    }

    fn is_bitwise(self) -> bool {
        matches!(self, BitwiseAnd | BitwiseOr | BitwiseXor | ShiftLeft | ShiftRight)
    }

    /// (dtype computed in, dtype of the result).
    fn dtypes(self, a: &Tensor, b: &Tensor) -> Result<(DType, DType)> {
        let common = common(a, b);
        ensure!(
            if common.is_float() { !self.is_bitwise() } else { self != Hypot },
            NotImplemented,
            "\"{}_cpu\" not implemented for '{}'",
            self.name(),
            common.scalar_name()
        );
        ensure!(
            !(self == Sub && common == DType::Bool),
            Runtime,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead."
        );
        ensure!(
            !(self == Sub && (a.dtype() == DType::Bool || b.dtype() == DType::Bool)),
            Runtime,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
        );
        Ok(match self {
            _ if self.is_comparison() => (common, DType::Bool),
            Div | Atan2 | Copysign if !common.is_float() => match default_dtype() {
                half if half.is_half() => (DType::F32, half),
                float => (float, float),
            },
            _ => (common, common),
        })
    }
}

impl Op for Binary {
    fn name(&self) -> &'static str {
        match self {
            Add => "add",
            Sub => "sub",
            Mul => "mul",
            Div => "div",
            FloorDivide => "floor_divide",
            Remainder => "remainder",
            Fmod => "fmod",
            Pow => "pow",
            Maximum => "maximum",
            Minimum => "minimum",
            Atan2 => "atan2",
            Hypot => "hypot",
            Copysign => "copysign",
            Eq => "eq",
            Ne => "ne",
            Lt => "lt",
            Le => "le",
            Gt => "gt",
            Ge => "ge",
            LogicalAnd => "logical_and",
            LogicalOr => "logical_or",
            LogicalXor => "logical_xor",
            BitwiseAnd => "bitwise_and",
            BitwiseOr => "bitwise_or",
            BitwiseXor => "bitwise_xor",
            ShiftLeft => "bitwise_left_shift",
            ShiftRight => "bitwise_right_shift",
        }
    }

    fn infer(&self, ins: &[Tensor]) -> Result<Metas> {
        let (_, out) = self.dtypes(&ins[0], &ins[1])?;
        let shape = broadcast_shapes(ins[0].shape(), ins[1].shape())?;
        let device = if ins[0].ndim() == 0 { ins[1].device() } else { ins[0].device() };
        let device = if device == Device::Cpu { ins[0].device() } else { device };
        Ok(smallvec::smallvec![Meta { shape, dtype: out, device }])
    }

    fn cpu(&self, call: &CpuCall) -> Result<()> {
        let (compute, _) = self.dtypes(&call.ins[0], &call.ins[1])?;
        match compute {
            DType::Bool => run::<bool>(*self, call),
            DType::U8 => run::<u8>(*self, call),
            DType::I8 => run::<i8>(*self, call),
            DType::I16 => run::<i16>(*self, call),
            DType::I32 => run::<i32>(*self, call),
            DType::I64 => run::<i64>(*self, call),
            DType::F32 => match self {
                Atan2 => in_vectors(vmath::Atan2, call),
                Hypot => in_vectors(vmath::Hypot, call),
                Fmod => in_vectors(vmath::Fmod, call),
                Remainder => in_vectors(vmath::Remainder, call),
                _ => run::<f32>(*self, call),
            },
            DType::F64 => run::<f64>(*self, call),
            other => bail!(NotImplemented, "{}: no kernel for {}", self.name(), other.name()),
        }
    }

    #[cfg(feature = "gpu")]
    fn gpu(&self, call: &crate::op::GpuCall) -> Result<()> {
        gpu::run(*self, call)
    }

    fn vjp(&self, cx: &Ctx, grads: &[Option<Tensor>]) -> Result<Grads> {
        let Some(g) = &grads[0] else { return Ok(smallvec::smallvec![None, None]) };
        gradient(*self, cx, g)
    }

    fn saves(&self) -> Saves {
        match self {
            Add | Sub => Saves::NONE,
            Pow | Hypot => Saves { inputs: 3, outputs: 1 },
            _ => Saves::INPUTS,
        }
    }

    fn saves_for(&self, followed: u32) -> Saves {
        match (self, followed & 3) {
            // Each factor's gradient needs the other one.
            (Mul, 1) => Saves { inputs: 2, outputs: 0 },
            (Mul, 2) => Saves { inputs: 1, outputs: 0 },
            (Div, 1) => Saves { inputs: 2, outputs: 0 },
            _ => self.saves(),
        }
    }

    fn strided(&self) -> bool {
        true
    }

    fn pointwise(&self) -> bool {
        true
    }
}

/// The operands as the kernel's type.
fn ready<'a, T: Element>(call: &CpuCall<'a>) -> Result<(Cow<'a, Tensor>, Cow<'a, Tensor>)> {
    let cast = |t: &'a Tensor| match t.dtype() == T::DTYPE {
        true => Ok(Cow::Borrowed(t)),
        false => crate::copy::cast(t, T::DTYPE).map(Cow::Owned),
    };
    Ok((cast(&call.ins[0])?, cast(&call.ins[1])?))
}

/// What takes more than a few operations, in float32.
fn in_vectors(m: impl vmath::Map2, call: &CpuCall) -> Result<()> {
    let ((a, b), out) = (ready::<f32>(call)?, &call.outs[0]);
    let (sa, sb) = (a.layout().broadcast_strides(out.shape()), b.layout().broadcast_strides(out.shape()));
    let (from, to) = ((a.ptr::<f32>().cast_const(), &sa[..]), (out.ptr::<f32>(), out.strides()));
    // SAFETY: broadcast strides stay within each layout; `out` is fresh or is an operand element for element.
    unsafe { loops::lanes(out.shape(), from, (b.ptr::<f32>(), &sb), to, m) };
    Ok(())
}

fn run<T: Num>(kind: Binary, call: &CpuCall) -> Result<()> {
    let (a, b) = ready::<T>(call)?;
    let out = &call.outs[0];
    if kind == FloorDivide || kind == Remainder || kind == Fmod {
        refuse_zero(kind, &b)?;
    }
    macro_rules! arithmetic {
        ($f:expr) => {
            each::<T, T>(&a, &b, out, $f)
        };
    }
    macro_rules! compare {
        ($f:expr) => {
            each::<T, bool>(&a, &b, out, $f)
        };
    }
    let zero = T::default();
    match kind {
        Add => arithmetic!(T::add),
        Sub => arithmetic!(T::sub),
        Mul => arithmetic!(T::mul),
        Div => arithmetic!(T::div),
        FloorDivide => arithmetic!(T::floor_divide),
        Remainder => arithmetic!(T::remainder),
        Fmod => arithmetic!(T::fmod),
        Pow => arithmetic!(T::pow),
        Maximum => arithmetic!(T::maximum),
        Minimum => arithmetic!(T::minimum),
        Atan2 => arithmetic!(T::atan2),
        Hypot => arithmetic!(T::hypot),
        Copysign => arithmetic!(T::copysign),
        Eq => compare!(|x, y| x == y),
        Ne => compare!(|x, y| x != y),
        Lt => compare!(|x, y| x < y),
        Le => compare!(|x, y| x <= y),
        Gt => compare!(|x, y| x > y),
        Ge => compare!(|x, y| x >= y),
        LogicalAnd => compare!(move |x, y| (x != zero) & (y != zero)),
        LogicalOr => compare!(move |x, y| (x != zero) | (y != zero)),
        LogicalXor => compare!(move |x, y| (x != zero) ^ (y != zero)),
        BitwiseAnd => arithmetic!(T::and),
        BitwiseOr => arithmetic!(T::or),
        BitwiseXor => arithmetic!(T::xor),
        ShiftLeft => arithmetic!(T::shl),
        ShiftRight => arithmetic!(T::shr),
    }
    Ok(())
}

/// Integer division by zero is an error, as in torch; floats follow IEEE.
fn refuse_zero(kind: Binary, b: &Tensor) -> Result<()> {
    if b.dtype().is_float() || b.numel() == 0 {
        return Ok(());
    }
    let b = crate::copy::contiguous(b)?;
    let zero = rsnn_core::dispatch!(all, b.dtype(), T => b.as_slice::<T>().iter().any(|x| *x == T::default()));
    ensure!(!zero, Runtime, "{}: ZeroDivisionError", kind.name());
    Ok(())
}

fn each<T: Element, O: Element>(a: &Tensor, b: &Tensor, out: &Tensor, f: impl Fn(T, T) -> O + Copy + Sync) {
    let shape = out.shape();
    if a.numel() == 1 && b.numel() == 1 && out.numel() == 1 {
        // SAFETY: each operand has one element, at its offset.
        unsafe { *out.ptr::<O>() = f(*a.ptr::<T>(), *b.ptr::<T>()) };
        return;
    }
    let (sa, sb) = (a.layout().broadcast_strides(shape), b.layout().broadcast_strides(shape));
    // SAFETY: broadcast strides stay within each layout; `out` is fresh or is an operand element for element.
    unsafe { loops::binary(shape, (a.ptr::<T>(), &sa), (b.ptr::<T>(), &sb), (out.ptr::<O>(), out.strides()), f) }
}

fn gradient(kind: Binary, cx: &Ctx, g: &Tensor) -> Result<Grads> {
    let want = |i: usize, f: &dyn Fn() -> Result<Tensor>| if cx.needs(i) { f().map(Some) } else { Ok(None) };
    let input = |i: usize| cx.input(i);
    let (da, db) = match kind {
        Add => (Some(g.clone()), Some(g.clone())),
        Sub => (Some(g.clone()), want(1, &|| neg(g))?),
        Mul => (want(0, &|| mul(g, &input(1)?))?, want(1, &|| mul(g, &input(0)?))?),
        Div => (
            want(0, &|| div(g, &input(1)?))?,
            want(1, &|| neg(&div(&mul(g, &div(&input(0)?, &input(1)?)?)?, &input(1)?)?))?,
        ),
        Remainder => (Some(g.clone()), want(1, &|| neg(&mul(g, &apply(FloorDivide, &[input(0)?, input(1)?])?)?))?),
        Fmod => (
            Some(g.clone()),
            want(1, &|| {
                let quotient = crate::unary::apply_named("trunc", &div(&input(0)?, &input(1)?)?)?;
                neg(&mul(g, &quotient)?)
            })?,
        ),
        Pow => (
            want(0, &|| pow_base_gradient(g, &input(0)?, &input(1)?))?,
            want(1, &|| {
                let y = mul(g, &mul(&cx.output(0)?, &crate::unary::apply_named("log", &input(0)?)?)?)?;
                // 0 ** b with b >= 0 has no slope in b.
                let flat = apply(LogicalAnd, &[is_zero(&input(0)?)?, apply(Ge, &[input(1)?, zero_of(&input(1)?)?])?])?;
                crate::select::where_(&flat, &zero_of(&y)?, &y)
            })?,
        ),
        Maximum | Minimum => {
            let (a, b) = (input(0)?, input(1)?);
            // NaN wins and loses against nothing, so that the gradient reaches both.
            let loses = if kind == Maximum { Lt } else { Gt };
            let half = mul(g, &Tensor::number(0.5, DType::F32)?)?;
            let tie = apply(Eq, &[a.clone(), b.clone()])?;
            let split = |first: Tensor| crate::select::where_(&tie, &half, &first);
            let zero = zero_of(g)?;
            (
                want(0, &|| split(crate::select::where_(&apply(loses, &[a.clone(), b.clone()])?, &zero, g)?))?,
                want(1, &|| split(crate::select::where_(&apply(loses, &[b.clone(), a.clone()])?, &zero, g)?))?,
            )
        }
        Atan2 => {
            let (a, b) = (input(0)?, input(1)?);
            let square = add(&mul(&a, &a)?, &mul(&b, &b)?)?;
            // There is no angle where both are zero, or so small that their squares are.
            let scale = div(g, &square)?;
            let scale = crate::select::where_(&is_zero(&square)?, &zero_of(&scale)?, &scale)?;
            (want(0, &|| mul(&scale, &b))?, want(1, &|| neg(&mul(&scale, &a)?))?)
        }
        Hypot => {
            let y = cx.output(0)?;
            (want(0, &|| mul(g, &div(&input(0)?, &y)?))?, want(1, &|| mul(g, &div(&input(1)?, &y)?))?)
        }
        Copysign => {
            let sign = || apply(Copysign, &[Tensor::number(1.0, DType::F64)?, input(1)?]);
            let turned = || mul(&crate::unary::apply_named("sign", &input(0)?)?, &sign()?);
            (want(0, &|| mul(g, &turned()?))?, None)
        }
        FloorDivide => (None, None),
        _ => return crate::op::not_differentiable(kind.name()),
    };
    Ok(smallvec::smallvec![da, db])
}

fn pow_base_gradient(g: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    // Python numbers stay exact: the difference of two numbers would be rounded to the default dtype.
    let less = if b.is_number() {
        Tensor::number(b.item()? - 1.0, DType::F64)?
    } else {
        sub(b, &Tensor::number(1.0, DType::F64)?)?
    };
    let slope = mul(g, &mul(b, &pow(a, &less)?)?)?;
    // a ** 0 is constant, also at a = 0 where the formula gives 0 * inf.
    crate::select::where_(&is_zero(b)?, &zero_of(&slope)?, &slope)
}

fn zero_of(x: &Tensor) -> Result<Tensor> {
    crate::fill::full(&[], 0.0, x.dtype(), x.device())
}

fn is_zero(x: &Tensor) -> Result<Tensor> {
    apply(Eq, &[x.clone(), zero_of(x)?])
}

pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Add, &[a.clone(), b.clone()])
}

pub fn sub(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Sub, &[a.clone(), b.clone()])
}

pub fn mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Mul, &[a.clone(), b.clone()])
}

pub fn div(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Div, &[a.clone(), b.clone()])
}

pub fn pow(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    apply(Pow, &[a.clone(), b.clone()])
}

pub fn neg(x: &Tensor) -> Result<Tensor> {
    crate::unary::apply_named("neg", x)
}

/// `x * value` with a Python number.
pub fn scale(x: &Tensor, value: f64) -> Result<Tensor> {
    mul(x, &Tensor::number(value, DType::F64)?)
}

/// `a += b` on raw data: no history, no version check. `b` may broadcast.
pub fn add_into(a: &Tensor, b: &Tensor) -> Result<()> {
    let b = if b.dtype() == a.dtype() { b.clone() } else { crate::copy::cast(b, a.dtype())? };
    if a.dtype().is_half() {
        let sum = crate::pointwise::empty_like(a, a.dtype(), a.device())?;
        crate::op::run(&Add, &[a.clone(), b], std::slice::from_ref(&sum))?;
        crate::copy::copy_into(&sum, a)?;
    } else {
        crate::op::run(&Add, &[a.clone(), b], std::slice::from_ref(a))?;
    }
    a.bump_version();
    Ok(())
}

/// `a op= b` with history: straight into `a` when nothing is recorded, else computed and assigned.
pub fn binary_(kind: Binary, a: &Tensor, b: &Tensor) -> Result<()> {
    let shape = broadcast_shapes(a.shape(), b.shape())?;
    ensure!(
        shape.as_slice() == a.shape(),
        Runtime,
        "output with shape {:?} doesn't match the broadcast shape {:?}",
        a.shape(),
        shape.as_slice()
    );
    let (_, out) = kind.dtypes(a, b)?;
    ensure!(
        out.category() <= a.dtype().category(),
        Runtime,
        "result type {} can't be cast to the desired output type {}",
        out.scalar_name(),
        a.dtype().scalar_name()
    );
    let recorded = crate::autograd::is_enabled()
        && (a.requires_grad() || b.requires_grad() || a.autograd().base.as_ref().is_some_and(Tensor::requires_grad));
    let overlaps = std::sync::Arc::ptr_eq(a.storage(), b.storage()) && a.layout() != b.layout();
    if recorded || overlaps || out != a.dtype() || a.dtype().is_half() || a.device() != Device::Cpu {
        // Backward may read what `a` held before, so those values stay as a copy; add and sub read nothing.
        let keep = recorded && !matches!(kind, Add | Sub);
        let before = if keep { crate::copy::copy(a)? } else { a.clone() };
        let value = apply(kind, &[before, b.clone()])?;
        return crate::autograd::assign(a, &value);
    }
    crate::autograd::check_inplace(a)?;
    crate::op::run(&kind, &[a.clone(), b.clone()], std::slice::from_ref(a))?;
    a.bump_version();
    Ok(())
}
