//! CPU machinery for rsnn: pool, SIMD dispatch, vector math, row kernels, GEMM, convolution, factorisations, attention, random numbers.
//! Knows pointers, lengths and strides; knows no tensor and no operator registry.
pub mod attention;
pub mod conv;
pub mod convert;
pub mod factor;
pub mod gemm;
pub mod loops;
pub mod moves;
pub mod pool;
mod post;
pub mod random;
pub mod rnn;
pub mod rows;
pub mod sample;
pub mod simd;
pub mod vmath;
