//! Arithmetic of one element, with torch's rules for integers, sign and NaN.
use rsnn_core::Element;

/// Element types with arithmetic. Bool behaves as torch's: add is or, mul is and.
pub trait Num: Element {
    fn add(self, o: Self) -> Self;
    fn sub(self, o: Self) -> Self;
    fn mul(self, o: Self) -> Self;
    fn div(self, o: Self) -> Self;
    fn floor_divide(self, o: Self) -> Self;
    fn remainder(self, o: Self) -> Self;
    fn fmod(self, o: Self) -> Self;
    fn pow(self, o: Self) -> Self;
    fn maximum(self, o: Self) -> Self;
    fn minimum(self, o: Self) -> Self;
    // Of floats only: other types are promoted or refused before a kernel runs.
    fn atan2(self, _: Self) -> Self {
        self
    }
    fn hypot(self, _: Self) -> Self {
        self
    }
    fn copysign(self, _: Self) -> Self {
        self
    }
    fn and(self, o: Self) -> Self;
    fn or(self, o: Self) -> Self;
    fn xor(self, o: Self) -> Self;
    fn shl(self, o: Self) -> Self;
    fn shr(self, o: Self) -> Self;
}

macro_rules! float {
    ($t:ty) => {
        impl Num for $t {
            #[inline(always)]
            fn add(self, o: Self) -> Self {
                self + o
            }
            #[inline(always)]
            fn sub(self, o: Self) -> Self {
                self - o
            }
            #[inline(always)]
            fn mul(self, o: Self) -> Self {
                self * o
            }
            #[inline(always)]
            fn div(self, o: Self) -> Self {
                self / o
            }
            #[inline(always)]
            fn floor_divide(self, o: Self) -> Self {
                // Through the exact remainder, so that 1 // 0.1 is 9 as in Python.
                if o == 0.0 {
                    return self / o;
                }
                let rest = self % o;
                let mut q = (self - rest) / o;
                if rest != 0.0 && (o < 0.0) != (rest < 0.0) {
                    q -= 1.0;
                }
                if q == 0.0 {
                    return (0.0 as $t).copysign(self / o);
                }
                let whole = q.floor();
                if q - whole > 0.5 { whole + 1.0 } else { whole }
            }
            #[inline(always)]
            fn remainder(self, o: Self) -> Self {
                let rest = self % o;
                if rest != 0.0 && (o < 0.0) != (rest < 0.0) { rest + o } else { rest }
            }
            #[inline(always)]
            fn fmod(self, o: Self) -> Self {
                self % o
            }
            #[inline(always)]
            fn pow(self, o: Self) -> Self {
                if o == 2.0 { self * self } else { self.powf(o) }
            }
            #[inline(always)]
            fn maximum(self, o: Self) -> Self {
                if self > o || self.is_nan() { self } else { o }
            }
            #[inline(always)]
            fn minimum(self, o: Self) -> Self {
                if self < o || self.is_nan() { self } else { o }
            }
            #[inline(always)]
            fn atan2(self, o: Self) -> Self {
                <$t>::atan2(self, o)
            }
            #[inline(always)]
            fn hypot(self, o: Self) -> Self {
                <$t>::hypot(self, o)
            }
            #[inline(always)]
            fn copysign(self, o: Self) -> Self {
                <$t>::copysign(self, o)
            }
            // Bitwise ops are refused for floats before a kernel runs.
            #[inline(always)]
            fn and(self, _: Self) -> Self {
                self
            }
            #[inline(always)]
            fn or(self, _: Self) -> Self {
                self
            }
            #[inline(always)]
            fn xor(self, _: Self) -> Self {
                self
            }
            #[inline(always)]
            fn shl(self, _: Self) -> Self {
                self
            }
            #[inline(always)]
            fn shr(self, _: Self) -> Self {
                self
            }
        }
    };
}
float!(f32);
float!(f64);

macro_rules! int {
    ($t:ty) => {
        impl Num for $t {
            #[inline(always)]
            fn add(self, o: Self) -> Self {
                self.wrapping_add(o)
            }
            #[inline(always)]
            fn sub(self, o: Self) -> Self {
                self.wrapping_sub(o)
            }
            #[inline(always)]
            fn mul(self, o: Self) -> Self {
                self.wrapping_mul(o)
            }
            // True division computes in floating point and never gets here.
            #[inline(always)]
            fn div(self, o: Self) -> Self {
                self.checked_div(o).unwrap_or_default()
            }
            #[inline(always)]
            fn floor_divide(self, o: Self) -> Self {
                let q = self.checked_div(o).unwrap_or(self);
                let rest = self.wrapping_sub(q.wrapping_mul(o));
                #[allow(unused_comparisons)]
                if rest != 0 && (rest < 0) != (o < 0) { q.wrapping_sub(1) } else { q }
            }
            #[inline(always)]
            fn remainder(self, o: Self) -> Self {
                let rest = self.checked_rem(o).unwrap_or_default();
                #[allow(unused_comparisons)]
                if rest != 0 && (rest < 0) != (o < 0) { rest.wrapping_add(o) } else { rest }
            }
            #[inline(always)]
            fn fmod(self, o: Self) -> Self {
                self.checked_rem(o).unwrap_or_default()
            }
            #[inline(always)]
            fn pow(self, o: Self) -> Self {
                #[allow(unused_comparisons)]
                if o < 0 {
                    // torch: 1 and -1 stay, everything else becomes 0.
                    let odd = o & 1 != 0;
                    return if self == 1 {
                        1
                    } else if self.wrapping_add(1) == 0 {
                        if odd { self } else { 1 }
                    } else {
                        0
                    };
                }
                let (mut base, mut n, mut out) = (self, o as u64, 1 as $t);
                while n > 0 {
                    if n & 1 == 1 {
                        out = out.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    n >>= 1;
                }
                out
            }
            #[inline(always)]
            fn maximum(self, o: Self) -> Self {
                self.max(o)
            }
            #[inline(always)]
            fn minimum(self, o: Self) -> Self {
                self.min(o)
            }
            #[inline(always)]
            fn and(self, o: Self) -> Self {
                self & o
            }
            #[inline(always)]
            fn or(self, o: Self) -> Self {
                self | o
            }
            #[inline(always)]
            fn xor(self, o: Self) -> Self {
                self ^ o
            }
            #[inline(always)]
            fn shl(self, o: Self) -> Self {
                if (o as u64) < <$t>::BITS as u64 { self << o } else { 0 }
            }
            #[inline(always)]
            fn shr(self, o: Self) -> Self {
                #[allow(unused_comparisons)]
                if (o as u64) < <$t>::BITS as u64 {
                    self >> o
                } else if self < 0 {
                    <$t>::MAX.wrapping_add(1) >> (<$t>::BITS - 1)
                } else {
                    0
                }
            }
        }
    };
}
int!(u8);
int!(i8);
int!(i16);
int!(i32);
int!(i64);

impl Num for bool {
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        self | o
    }
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self ^ o
    }
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn div(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn floor_divide(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn remainder(self, o: Self) -> Self {
        self & !o
    }
    #[inline(always)]
    fn fmod(self, o: Self) -> Self {
        self & !o
    }
    #[inline(always)]
    fn pow(self, o: Self) -> Self {
        self | !o
    }
    #[inline(always)]
    fn maximum(self, o: Self) -> Self {
        self | o
    }
    #[inline(always)]
    fn minimum(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn and(self, o: Self) -> Self {
        self & o
    }
    #[inline(always)]
    fn or(self, o: Self) -> Self {
        self | o
    }
    #[inline(always)]
    fn xor(self, o: Self) -> Self {
        self ^ o
    }
    #[inline(always)]
    fn shl(self, _: Self) -> Self {
        self
    }
    #[inline(always)]
    fn shr(self, _: Self) -> Self {
        self
    }
}
