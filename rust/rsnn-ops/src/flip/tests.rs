//! flip, roll, repeat and repeat_interleave on one small tensor.
use super::*;

#[test]
fn rearrangements() {
    let x = Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap();
    let v = |t: Result<Tensor>| t.unwrap().as_slice::<f32>().to_vec();
    assert_eq!(v(flip(&x, &[0, -1])), [6., 5., 4., 3., 2., 1.]);
    assert_eq!(v(roll(&x, &[1], &[])), [6., 1., 2., 3., 4., 5.]);
    assert_eq!(v(roll(&x, &[-1, 1], &[1, 0])), [5., 6., 4., 2., 3., 1.]);
    assert_eq!(v(repeat(&x, &[2, 1, 1])), [1., 2., 3., 4., 5., 6., 1., 2., 3., 4., 5., 6.]);
    assert_eq!(v(tile(&x, &[2])), [1., 2., 3., 1., 2., 3., 4., 5., 6., 4., 5., 6.]);
    assert_eq!(v(repeat_interleave(&x, 2, None))[..4], [1., 1., 2., 2.]);
    let counts = Tensor::from_slice(&[0i64, 2, 1], &[3]).unwrap();
    assert_eq!(v(repeat_interleave_tensor(&x, &counts, Some(1), None)), [2., 2., 3., 5., 5., 6.]);
}
