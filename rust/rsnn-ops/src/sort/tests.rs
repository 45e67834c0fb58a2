use super::*;

#[test]
fn sorts_stably_with_nan_last() {
    let x = Tensor::from_slice(&[2.0f32, f32::NAN, -0.0, 0.0, 2.0, -1.0], &[6]).unwrap();
    assert_eq!(sort(&x, 0, false).unwrap().1.as_slice::<i64>(), [5, 2, 3, 0, 4, 1]);
    assert_eq!(argsort(&x, 0, true).unwrap().as_slice::<i64>(), [1, 0, 4, 2, 3, 5]);
    let x = Tensor::from_slice(&[3i64, -1, 2, 5, 0, i64::MIN], &[3, 2]).unwrap();
    assert_eq!(sort(&x, 0, false).unwrap().0.as_slice::<i64>(), [0, i64::MIN, 2, -1, 3, 5]);
    assert_eq!(sort(&x, 1, true).unwrap().0.as_slice::<i64>(), [3, -1, 5, 2, 0, i64::MIN]);
}

#[test]
fn selections() {
    let x = Tensor::from_slice(&[5.0f64, 1.0, 4.0, 1.0, 3.0, 4.0], &[6]).unwrap();
    assert_eq!(topk(&x, 3, 0, true).unwrap().0.as_slice::<f64>(), [5.0, 4.0, 4.0]);
    assert_eq!(topk(&x, 2, 0, false).unwrap().1.as_slice::<i64>(), [1, 3]);
    assert_eq!(kthvalue(&x, 3, 0, false).unwrap().1.as_slice::<i64>(), [4]);
    assert_eq!(median_all(&x).unwrap().as_slice::<f64>(), [3.0]);
    let (value, place) = mode(&x, 0, true).unwrap();
    assert_eq!((value.as_slice::<f64>(), place.as_slice::<i64>()), (&[1.0][..], &[3][..]));
    assert!(topk(&x, 7, 0, true).unwrap_err().to_string().contains("selected index k out of range"));
}

#[test]
fn gradient_goes_back_to_the_place() {
    let x = Tensor::from_slice(&[3.0f64, 1.0, 2.0], &[3]).unwrap();
    x.set_requires_grad(true).unwrap();
    let y = sort(&x, 0, false).unwrap().0;
    let seed = Tensor::from_slice(&[10.0f64, 20.0, 30.0], &[3]).unwrap();
    let g = crate::autograd::grad(&[y], &[x], &[Some(seed)], false, false, true).unwrap();
    assert_eq!(g[0].as_ref().unwrap().as_slice::<f64>(), [30.0, 10.0, 20.0]);
}

#[test]
fn unique_values_inverse_and_counts() {
    let x = Tensor::from_slice(&[2i32, 1, 2, 2, 3], &[5]).unwrap();
    let [v, i, c] = &unique(&x, None, true, true).unwrap()[..] else { panic!("three results") };
    assert_eq!(
        (v.as_slice::<i32>(), i.as_slice::<i64>(), c.as_slice::<i64>()),
        (&[1, 2, 3][..], &[1, 0, 1, 1, 2][..], &[1, 3, 1][..])
    );
    assert_eq!(unique_consecutive(&x, None, false, false).unwrap()[0].as_slice::<i32>(), [2, 1, 2, 3]);
    let x = Tensor::from_slice(&[1i64, 2, 0, 5, 1, 2], &[3, 2]).unwrap();
    assert_eq!(unique(&x, Some(0), false, false).unwrap()[0].as_slice::<i64>(), [0, 5, 1, 2]);
}

#[test]
fn unique_of_wide_keys_and_nan() {
    // Near keys are sorted by their digits, far ones by comparison; the first of equal elements stands for them.
    for (low, high) in [(-3, 5), (i64::MIN, i64::MAX)] {
        let x = Tensor::from_slice(&[high, low, 0, high, low], &[5]).unwrap();
        let found = unique(&x, None, true, true).unwrap();
        assert_eq!(found[0].as_slice::<i64>(), [low, 0, high]);
        assert_eq!(found[1].as_slice::<i64>(), [2, 0, 1, 2, 0]);
        assert_eq!(found[2].as_slice::<i64>(), [2, 1, 2]);
    }
    let x = Tensor::from_slice(&[f64::NAN, -0.0, 1.0, 0.0, f64::NAN], &[5]).unwrap();
    let found = unique(&x, None, true, true).unwrap();
    assert_eq!(found[0].shape(), [4]);
    assert!(found[0].as_slice::<f64>()[0].is_sign_negative());
    assert_eq!(found[1].as_slice::<i64>(), [2, 0, 1, 0, 3]);
    assert_eq!(found[2].as_slice::<i64>(), [2, 1, 1, 1]);
    let none = Tensor::from_slice::<f32>(&[], &[0]).unwrap();
    assert!(unique(&none, None, true, true).unwrap().iter().all(|t| t.shape() == [0]));
}

#[test]
fn searches_and_counts() {
    let s = Tensor::from_slice(&[1.0f32, 3.0, 3.0, 7.0], &[4]).unwrap();
    let v = Tensor::from_slice(&[0.0f32, 3.0, 8.0, f32::NAN], &[4]).unwrap();
    assert_eq!(searchsorted(&s, &v, false, false, None).unwrap().as_slice::<i64>(), [0, 1, 4, 4]);
    assert_eq!(bucketize(&v, &s, true, true).unwrap().as_slice::<i32>(), [0, 3, 4, 4]);
    let x = Tensor::from_slice(&[1i64, 3, 1], &[3]).unwrap();
    assert_eq!(bincount(&x, None, 0).unwrap().as_slice::<i64>(), [0, 2, 0, 1]);
    assert_eq!(histc(&s, 3, 0.0, 0.0).unwrap().as_slice::<f32>(), [1.0, 2.0, 1.0]);
}
