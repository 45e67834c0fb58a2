//! Goldens from torch 2.13, gradients by hand, and the errors users meet.
use super::*;
use crate::autograd::{backward, grad};
use crate::reduce::sum;

fn f(data: &[f32], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).unwrap()
}
fn i(data: &[i64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(data, shape).unwrap()
}
fn x34() -> Tensor {
    f(&(0..12).map(|v| v as f32).collect::<Vec<_>>(), &[3, 4])
}
fn values(t: &Tensor) -> Vec<f32> {
    crate::copy::contiguous(t).unwrap().as_slice::<f32>().to_vec()
}
fn message<T>(r: Result<T>) -> String {
    match r {
        Ok(_) => "no error".into(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn gather_reads_and_its_gradient_adds() {
    let x = x34();
    x.set_requires_grad(true).unwrap();
    let y = gather(&x, 1, &i(&[0, 0, 3, 1], &[2, 2])).unwrap();
    assert_eq!(values(&y), [0., 0., 7., 5.]);
    backward(&[sum(&y, &[], false, None).unwrap()], &[], false, false, &[]).unwrap();
    assert_eq!(values(&x.grad().unwrap()), [2., 0., 0., 0., 0., 1., 0., 1., 0., 0., 0., 0.]);
    assert_eq!(message(gather(&x, 1, &i(&[4], &[1, 1]))), "index 4 is out of bounds for dimension 1 with size 4");
    assert_eq!(message(gather(&x, 1, &i(&[-1], &[1, 1]))), "index -1 is out of bounds for dimension 1 with size 4");
}

#[test]
fn an_index_for_whole_rows_does_what_one_for_each_element_does() {
    let wide = |n: usize, step: f32| f(&(0..n).map(|v| v as f32 * step).collect::<Vec<_>>(), &[n / 20, 20]);
    let (x, src) = (wide(60, 1.0), wide(80, 0.5));
    let rows = crate::view::expand(&i(&[2, 0, 2, 2], &[4, 1]), &[4, 20]).unwrap();
    let each = i(crate::copy::contiguous(&rows).unwrap().as_slice::<i64>(), &[4, 20]);
    // The last column is left out: no whole rows.
    let part = crate::view::slice(&rows, 1, 0, 19, 1);
    let part_each = crate::copy::contiguous(&part).unwrap();
    // As many indices as rows, but one for each column.
    let columns = i(&(0..20).map(|v| v % 3).collect::<Vec<_>>(), &[1, 20]);
    let columns = crate::view::expand(&columns, &[20, 20]).unwrap();
    let columns_each = crate::copy::contiguous(&columns).unwrap();
    for (rows, each) in [(&rows, &each), (&part, &part_each), (&columns, &columns_each)] {
        let (x, src) = if rows.shape()[0] == 20 { (&wide(400, 1.0), &wide(400, 0.5)) } else { (&x, &src) };
        let same = |a: Result<Tensor>, b: Result<Tensor>| assert_eq!(values(&a.unwrap()), values(&b.unwrap()));
        same(scatter(x, 0, rows, src), scatter(x, 0, each, src));
        same(scatter_add(x, 0, rows, src), scatter_add(x, 0, each, src));
        same(scatter_reduce(x, 0, rows, src, "mean", false), scatter_reduce(x, 0, each, src, "mean", false));
        same(gather(src, 0, rows), gather(src, 0, each));
    }
}

#[test]
fn scatters_meet_duplicates_in_order() {
    let x = f(&[1., 2., 3.], &[3]);
    let (ids, src) = (i(&[0, 2, 0, 0], &[4]), f(&[5., 6., 7., -8.], &[4]));
    assert_eq!(values(&scatter(&x, 0, &ids, &src).unwrap()), [-8., 2., 6.]);
    assert_eq!(values(&scatter_add(&x, 0, &ids, &src).unwrap()), [5., 2., 9.]);
    let reduce = |kind, own| values(&scatter_reduce(&x, 0, &ids, &src, kind, own).unwrap());
    assert_eq!(reduce("prod", true), [-280., 2., 18.]);
    assert_eq!(reduce("mean", true), [1.25, 2., 4.5]);
    assert_eq!(reduce("amax", true), [7., 2., 6.]);
    assert_eq!(reduce("amin", false), [-8., 2., 6.]);
    assert_eq!(reduce("sum", false), [4., 2., 6.]);
    assert_eq!(reduce("mean", false), [4. / 3., 2., 6.]);
}

#[test]
fn scatter_prod_has_a_gradient_at_a_single_zero() {
    let src = f(&[0., 3., 2.], &[3]);
    src.set_requires_grad(true).unwrap();
    let y = scatter_reduce(&f(&[2.], &[1]), 0, &i(&[0, 0, 0], &[3]), &src, "prod", true).unwrap();
    backward(&[sum(&y, &[], false, None).unwrap()], &[], false, false, &[]).unwrap();
    assert_eq!(values(&src.grad().unwrap()), [12., 0., 0.]);
}

#[test]
fn rows() {
    let x = x34();
    assert_eq!(values(&index_select(&x, 1, &i(&[3, 0], &[2])).unwrap()), [3., 0., 7., 4., 11., 8.]);
    let src = f(&[1., 1., 1., 1., 10., 10., 10., 10.], &[2, 4]);
    let y = index_add(&x, 0, &i(&[2, 2], &[2]), &src, 2.0).unwrap();
    assert_eq!(values(&y)[8..], [30., 31., 32., 33.]);
    let y = index_copy(&x, 0, &i(&[1, 1], &[2]), &src).unwrap();
    assert_eq!(values(&y)[4..8], [10.; 4]);
    let y = index_fill(&x, 1, &i(&[-1], &[1]), &Tensor::number(9.0, DType::F64).unwrap()).unwrap();
    assert_eq!(values(&y), [0., 1., 2., 9., 4., 5., 6., 9., 8., 9., 10., 9.]);
    assert_eq!(message(index_select(&x, 0, &i(&[3], &[1]))), "index out of range in self");
}

#[test]
fn second_derivative_through_index_select() {
    let x = f(&[1., 2., 3.], &[3]);
    x.set_requires_grad(true).unwrap();
    let y = index_select(&x, 0, &i(&[1, 1, 2], &[3])).unwrap();
    let y = sum(&crate::elementwise::mul(&y, &crate::elementwise::mul(&y, &y).unwrap()).unwrap(), &[], false, None)
        .unwrap();
    let g = grad(&[y], &[x.clone()], &[], true, true, false).unwrap()[0].clone().unwrap();
    assert_eq!(values(&g), [0., 24., 27.]);
    let g2 = grad(&[sum(&g, &[], false, None).unwrap()], &[x], &[], false, false, false).unwrap()[0].clone().unwrap();
    assert_eq!(values(&g2), [0., 24., 18.]);
}

#[test]
fn advanced_results_are_placed_as_in_numpy() {
    let x = f(&(0..24).map(|v| v as f32).collect::<Vec<_>>(), &[2, 3, 4]);
    let (a, b) = (Some(i(&[0, -1], &[2])), Some(i(&[1, 2], &[2])));
    let y = index(&x, &[None, a.clone(), b.clone()]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[2, 2][..], vec![1., 10., 13., 22.]));
    let y = index(&x, &[a.clone(), None, b]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[2, 3][..], vec![1., 5., 9., 14., 18., 22.]));
    let mask = Tensor::from_slice(&[false, true, true, true, false, false], &[2, 3]).unwrap();
    let y = index(&x, &[Some(mask), Some(i(&[1], &[1]))]).unwrap();
    assert_eq!((y.shape(), values(&y)), (&[3][..], vec![5., 9., 13.]));
    assert_eq!(message(index(&x, &[Some(i(&[2], &[1]))])), "index 2 is out of bounds for dimension 0 with size 2");
}

#[test]
fn index_put_with_and_without_history() {
    let x = x34();
    let at = [Some(i(&[0, 0, 2], &[3])), Some(i(&[1, 1, -1], &[3]))];
    index_put_(&x, &at, &f(&[10., 20., 30.], &[3]), true).unwrap();
    assert_eq!((values(&x)[1], values(&x)[11]), (31., 41.));
    let v = f(&[5., 6., 7.], &[3]);
    v.set_requires_grad(true).unwrap();
    let x = x34();
    index_put_(&x, &at, &v, false).unwrap();
    assert_eq!((values(&x)[1], values(&x)[11]), (6., 7.));
    backward(&[sum(&x, &[], false, None).unwrap()], &[], false, false, &[]).unwrap();
    assert_eq!(values(&v.grad().unwrap()), [1., 1., 1.]);
    let column = crate::view::select(&x34(), 1, 0).unwrap();
    index_put_(&column, &[Some(i(&[1], &[1]))], &Tensor::number(-1.0, DType::F64).unwrap(), false).unwrap();
    assert_eq!(values(&column), [0., -1., 8.]);
}

#[test]
fn take_and_put_see_the_flat_tensor() {
    let x = x34();
    assert_eq!(values(&take(&x, &i(&[-1, 5], &[2])).unwrap()), [11., 5.]);
    let y = put(&x, &i(&[0, 0], &[2]), &f(&[2., 3.], &[2]), true).unwrap();
    assert_eq!(values(&y)[0], 5.);
    let text = message(take(&x, &i(&[12], &[1])));
    assert_eq!(text, "out of range: tried to access index 12 on a tensor of 12 elements.");
}
