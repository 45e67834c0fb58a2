//! Kernels on bool, uint8, int32 and int64: copies, casts, comparisons, where.

use rsnn_gpu::{Context, GpuBuffer};

use crate::binary::{self, In, Input};
use crate::cast::{Type, cast};
use crate::{copy, gpu, put, where_};

fn raw(context: &'static Context, bytes: &[u8]) -> GpuBuffer {
    let buffer = context.alloc(bytes.len() as u64).unwrap();
    context.upload(&buffer, 0, bytes).unwrap();
    buffer
}

fn bytes(buffer: &GpuBuffer) -> Vec<u8> {
    buffer.context().read(buffer, 0, buffer.len(), &mut || false).unwrap()
}

fn of_i64(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn of_f32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn of_i32(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn copies_of_one_and_eight_bytes() {
    let Some(context) = gpu() else { return };
    let x = raw(context, &(0..30).collect::<Vec<u8>>());
    let out = context.alloc(27).unwrap();
    let side = |buffer, strides, offset| copy::Side { buffer, strides, offset };
    // The transpose of a (5, 6) window, without its first row and last column.
    copy::copy(1, &[5, 4], side(&x, &[1, 6], 6), side(&out, &[4, 1], 4)).unwrap();
    let want: Vec<u8> = (0..20).map(|i| 6 + (i / 4) + 6 * (i % 4)).collect();
    assert_eq!(bytes(&out)[4..24], want);
    assert!(copy::copy(1, &[5, 4], side(&x, &[1, 6], 6), side(&out, &[4, 1], 1)).is_err());
    let x = raw(context, &of_i64(&[1, -2, 3, -4, 5, -6]));
    let out = context.alloc(48).unwrap();
    copy::copy(8, &[3, 2], side(&x, &[1, 3], 0), side(&out, &[2, 1], 0)).unwrap();
    assert_eq!(bytes(&out), of_i64(&[1, -4, -2, 5, 3, -6]));
}

#[test]
fn casts() {
    let Some(context) = gpu() else { return };
    let f = of_f32(&[0.0, 1.0, -1.9, 2.7, 250.0, -0.0]);
    let i = of_i32(&[0, 1, -1, 2, 250, 0]);
    let l = of_i64(&[0, 1, -1, 2, 250, 0]);
    let b = [0u8, 1, 1, 1, 1, 0];
    let cases: [(Type, &[u8], Type, &[u8]); 10] = [
        (Type::F32, &f, Type::I32, &i),
        (Type::F32, &f, Type::I64, &l),
        (Type::F32, &f, Type::Bool, &b),
        (Type::I64, &l, Type::I32, &i),
        (Type::I64, &l, Type::Bool, &b),
        (Type::I32, &i, Type::I64, &l),
        (Type::I64, &l, Type::F32, &of_f32(&[0.0, 1.0, -1.0, 2.0, 250.0, 0.0])),
        (Type::Bool, &b, Type::F32, &of_f32(&[0.0, 1.0, 1.0, 1.0, 1.0, 0.0])),
        (Type::Bool, &b, Type::I64, &of_i64(&[0, 1, 1, 1, 1, 0])),
        (Type::I32, &i, Type::U8, &[0, 1, 255, 2, 250, 0]),
    ];
    for (from, x, to, want) in cases {
        let x = raw(context, x);
        let out = context.alloc(want.len() as u64).unwrap();
        cast(6, from, (&x, 0), to, (&out, 0)).unwrap();
        assert_eq!(bytes(&out), want, "{from:?} to {to:?}");
    }
    let x = raw(context, &of_i64(&[1 << 40, -(1 << 33) - 5]));
    let out = context.alloc(8).unwrap();
    cast(2, Type::I64, (&x, 0), Type::F32, (&out, 0)).unwrap();
    assert_eq!(bytes(&out), of_f32(&[1.0995116e12, -8589934597.0]));
    let back = context.alloc(16).unwrap();
    cast(2, Type::F32, (&out, 0), Type::I64, (&back, 0)).unwrap();
    assert_eq!(bytes(&back), of_i64(&[1 << 40, -(1 << 33)]));
}

fn compared(name: &str, of: In, a: &GpuBuffer, b: &GpuBuffer, n: usize) -> Vec<u8> {
    let (name, _, expression) = *binary::COMPARISONS.iter().find(|(n, o, _)| *n == name && *o == of).unwrap();
    let out = a.context().alloc(n as u64).unwrap();
    let input = |buffer| Input { buffer, strides: &[1], offset: 0 };
    binary::compare(name, of, expression, &[n], [input(a), input(b)], &out).unwrap();
    bytes(&out)
}

#[test]
fn comparisons_and_where() {
    let Some(context) = gpu() else { return };
    let nan = f32::NAN;
    let [a, b] = [put(context, &[1.0, 2.0, nan, 0.0, nan, 5.0]), put(context, &[1.0, 3.0, nan, -0.0, 1.0, 4.0])];
    let table: [(&str, [u8; 6]); 6] = [
        ("eq", [1, 0, 0, 1, 0, 0]),
        ("ne", [0, 1, 1, 0, 1, 1]),
        ("lt", [0, 1, 0, 0, 0, 0]),
        ("le", [1, 1, 0, 1, 0, 0]),
        ("gt", [0, 0, 0, 0, 0, 1]),
        ("ge", [1, 0, 0, 1, 0, 1]),
    ];
    for (name, want) in table {
        assert_eq!(compared(name, In::F32, &a, &b, 6), want, "{name}");
    }
    let [x, y] = [raw(context, &of_i64(&[1, -1, 1 << 40, 7])), raw(context, &of_i64(&[1, 1, 5, -(1 << 40)]))];
    assert_eq!(compared("lt", In::I64, &x, &y, 4), [0, 1, 0, 0]);
    assert_eq!(compared("eq", In::I64, &x, &y, 4), [1, 0, 0, 0]);
    assert_eq!(compared("ge", In::I64, &x, &y, 4), [1, 0, 1, 1]);
    let [p, q] = [raw(context, &[0, 1, 0, 1, 1]), raw(context, &[0, 0, 1, 1, 1])];
    assert_eq!(compared("logical_xor", In::Byte, &p, &q, 5), [0, 1, 1, 0, 0]);
    // A mask per column, a scalar against a matrix.
    let [m, s] = [raw(context, &[9, 1, 0, 1]), put(context, &[7.0])];
    let out = context.alloc(24).unwrap();
    let input = |buffer, strides, offset| where_::Input { buffer, strides, offset };
    where_::select(&[2, 3], input(&m, &[0, 1], 1), input(&s, &[0, 0], 0), input(&b, &[3, 1], 0), &out).unwrap();
    assert_eq!(bytes(&out)[..4], 7f32.to_le_bytes());
    let got: Vec<f32> = bytes(&out).chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    assert_eq!(got[..2], [7.0, 3.0]);
    assert_eq!(got[2..], [7.0, 7.0, 1.0, 7.0]);
}

#[test]
fn float_division_and_powers() {
    let Some(context) = gpu() else { return };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let a = [7.0, -7.0, 7.0, 0.0, -2.0, -2.0, 2.0, nan, inf, 1.0];
    let b = [3.0, 3.0, -3.0, 0.0, 3.0, 0.5, -2.0, 0.0, -1.0, nan];
    let table: [(&str, [f32; 10]); 4] = [
        ("remainder", [1.0, 2.0, -2.0, nan, 1.0, 0.0, 0.0, nan, nan, nan]),
        ("fmod", [1.0, -1.0, 1.0, nan, -2.0, 0.0, 0.0, nan, nan, nan]),
        ("floor_divide", [2.0, -3.0, -3.0, nan, -1.0, -4.0, -1.0, nan, -inf, nan]),
        ("pow", [343.0, -343.0, 0.002_915_452, 1.0, -8.0, nan, 0.25, 1.0, 0.0, 1.0]),
    ];
    let [ab, bb, out] = [put(context, &a), put(context, &b), put(context, &a)];
    for (name, want) in table {
        println!("{name}");
        let (_, expression) = *binary::EXPRESSIONS.iter().find(|(n, _)| *n == name).unwrap();
        let input = |buffer| Input { buffer, strides: &[1], offset: 0 };
        binary::binary(name, expression, &[10], [input(&ab), input(&bb)], [0.0; 2], (&out, 0)).unwrap();
        crate::assert_close(&crate::get(&out), &want, 3e-6, 0.0);
    }
}
