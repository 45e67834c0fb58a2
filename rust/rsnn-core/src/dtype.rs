//! The ten dtypes, torch's promotion rules, and the trait that ties a Rust type to its dtype.
use half::{bf16, f16};

/// Element type of a tensor. The order is torch's promotion order within a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl DType {
    pub const ALL: [DType; 10] = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// torch's name without the `torch.` prefix.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The name that torch's error messages use (`Float`, `Long`, ...).
    pub fn scalar_name(self) -> &'static str {
        match self {
            DType::Bool => "Bool",
            DType::U8 => "Byte",
            DType::I8 => "Char",
            DType::I16 => "Short",
            DType::I32 => "Int",
            DType::I64 => "Long",
            DType::F16 => "Half",
            DType::BF16 => "BFloat16",
            DType::F32 => "Float",
            DType::F64 => "Double",
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    pub fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    pub fn is_int(self) -> bool {
        !self.is_float() && self != DType::Bool
    }

    /// The dtype that kernels compute in: half types widen to float32.
    pub fn compute(self) -> DType {
        if self.is_half() { DType::F32 } else { self }
    }

    /// 0 for bool, 1 for integers, 2 for floating point.
    pub fn category(self) -> u8 {
        if self.is_float() { 2 } else { u8::from(self != DType::Bool) }
    }

    /// torch.promote_types.
    pub fn promote(self, other: DType) -> DType {
        if self == other {
            return self;
        }
        let (a, b) = if self.category() >= other.category() { (self, other) } else { (other, self) };
        if a.category() != b.category() {
            return a;
        }
        match (a, b) {
            (DType::F16, DType::BF16) | (DType::BF16, DType::F16) => DType::F32,
            (DType::U8, x) | (x, DType::U8) if x.is_int() => {
                if x == DType::I8 {
                    DType::I16
                } else {
                    x
                }
            }
            _ => {
                if a.size() >= b.size() {
                    a
                } else {
                    b
                }
            }
        }
    }
}

/// A Rust type that is the element of a tensor.
pub trait Element: Copy + Send + Sync + PartialOrd + Default + 'static {
    const DTYPE: DType;
    fn to_f64(self) -> f64;
    fn from_f64(x: f64) -> Self;
    fn to_i64(self) -> i64;
    fn from_i64(x: i64) -> Self;
}

/// `element!(type => dtype, to f64, from f64, to i64, from i64)`
macro_rules! element {
    ($($t:ty => $d:ident, $to_f64:expr, $from_f64:expr, $to_i64:expr, $from_i64:expr);* $(;)?) => {$(
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline(always)]
            fn to_f64(self) -> f64 { ($to_f64)(self) }
            #[inline(always)]
            fn from_f64(x: f64) -> Self { ($from_f64)(x) }
            #[inline(always)]
            fn to_i64(self) -> i64 { ($to_i64)(self) }
            #[inline(always)]
            fn from_i64(x: i64) -> Self { ($from_i64)(x) }
        }
    )*};
}

// Integers convert through i64 so that out-of-range values wrap as torch's casts do.
element! {
    f32 => F32, |x| x as f64, |x| x as f32, |x| x as i64, |x| x as f32;
    f64 => F64, |x| x, |x| x, |x| x as i64, |x| x as f64;
    u8 => U8, |x| x as f64, |x: f64| x as i64 as u8, |x| x as i64, |x| x as u8;
    i8 => I8, |x| x as f64, |x: f64| x as i64 as i8, |x| x as i64, |x| x as i8;
    i16 => I16, |x| x as f64, |x: f64| x as i64 as i16, |x| x as i64, |x| x as i16;
    i32 => I32, |x| x as f64, |x: f64| x as i64 as i32, |x| x as i64, |x| x as i32;
    i64 => I64, |x| x as f64, |x| x as i64, |x| x, |x| x;
    f16 => F16, |x: f16| x.to_f32() as f64, |x| f16::from_f32(x as f32), |x: f16| x.to_f32() as i64, |x| f16::from_f32(x as f32);
    bf16 => BF16, |x: bf16| x.to_f32() as f64, |x| bf16::from_f32(x as f32), |x: bf16| x.to_f32() as i64, |x| bf16::from_f32(x as f32);
    bool => Bool, |x| f64::from(u8::from(x)), |x| x != 0.0, i64::from, |x| x != 0;
}

/// Runs `$body` with `$T` bound to the Rust type of `$dtype`; the first word lists which dtypes take part.
/// `dispatch!(all, dt, T => f::<T>())`, `dispatch!(float, dt, "op", T => ..)` for f32 and f64 only.
#[macro_export]
macro_rules! dispatch {
    (all, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::F16 => {
                type $T = $crate::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = $crate::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
    (float, $dtype:expr, $op:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            other => $crate::bail!(NotImplemented, "\"{}\" not implemented for '{}'", $op, other.scalar_name()),
        }
    };
}
