//! Shapes and refusals; values and gradients are rows of the Python table.
use super::*;

fn square(n: usize) -> Tensor {
    let values: Vec<f64> =
        (0..n * n).map(|i| ((i * 7 + 3) % 11) as f64 + if i % (n + 1) == 0 { 9.0 } else { 0.0 }).collect();
    Tensor::from_slice(&values, &[n, n]).unwrap()
}

#[test]
fn inverse_times_matrix_is_one() {
    let x = square(5);
    let y = mm(&inverse(&x).unwrap().0, &x).unwrap();
    let gap = y
        .as_slice::<f64>()
        .iter()
        .zip(eye(5, &x).unwrap().as_slice::<f64>())
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(gap < 1e-12, "{gap}");
}

#[test]
fn halves_and_vectors_are_refused() {
    let text = |r: Result<Tensor>| r.unwrap_err().to_string();
    let half = crate::copy::cast(&square(2), DType::F16).unwrap();
    assert!(text(det(&half)).contains("Low precision dtypes not supported"));
    assert!(text(det(&Tensor::from_slice(&[1.0f32], &[1]).unwrap())).contains("at least 2 dimensions"));
    assert!(text(det(&Tensor::from_slice(&[1.0f32, 2.0], &[1, 2]).unwrap())).contains("batches of square matrices"));
    assert!(
        text(qr(&crate::copy::cast(&square(2), DType::I64).unwrap(), false).map(|r| r.0)).contains("floating point")
    );
}

#[test]
fn empty_batches_pass() {
    let x = Tensor::empty(&[0, 3, 3], DType::F32, rsnn_core::Device::Cpu).unwrap();
    assert_eq!(det(&x).unwrap().shape(), [0]);
    assert_eq!(svd(&x, true).unwrap().1.shape(), [0, 3]);
    assert_eq!(solve(&x, &x).unwrap().0.shape(), [0, 3, 3]);
}
