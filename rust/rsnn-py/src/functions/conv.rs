//! Convolutions and pools.
use crate::prelude::*;

#[pyfunction]
pub fn conv(
    x: In,
    weight: In,
    bias: Option<In>,
    stride: Vec<i64>,
    padding: Vec<i64>,
    dilation: Vec<i64>,
    groups: i64,
) -> Out {
    run(|| rsnn_ops::conv::conv(&x, &weight, opt(&bias), &stride, &padding, &dilation, groups))
}
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn conv_transpose(
    x: In,
    weight: In,
    bias: Option<In>,
    stride: Vec<i64>,
    padding: Vec<i64>,
    output_padding: Vec<i64>,
    groups: i64,
    dilation: Vec<i64>,
) -> Out {
    run(|| {
        rsnn_ops::conv::conv_transpose(&x, &weight, opt(&bias), &stride, &padding, &output_padding, groups, &dilation)
    })
}
#[pyfunction]
pub fn max_pool(
    x: In,
    kernel_size: Vec<i64>,
    stride: Vec<i64>,
    padding: Vec<i64>,
    dilation: Vec<i64>,
    ceil_mode: bool,
) -> Outs {
    run_all(|| {
        let (y, places) = rsnn_ops::pool::max_pool(&x, &kernel_size, &stride, &padding, &dilation, ceil_mode)?;
        Ok(vec![y, places])
    })
}
#[pyfunction]
#[pyo3(signature = (x, kernel_size, stride, padding, ceil_mode=false, count_include_pad=true, divisor_override=None))]
pub fn avg_pool(
    x: In,
    kernel_size: Vec<i64>,
    stride: Vec<i64>,
    padding: Vec<i64>,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Option<i64>,
) -> Out {
    run(|| {
        rsnn_ops::pool::avg_pool(&x, &kernel_size, &stride, &padding, ceil_mode, count_include_pad, divisor_override)
    })
}
#[pyfunction]
pub fn adaptive_avg_pool(x: In, output_size: Vec<i64>) -> Out {
    run(|| rsnn_ops::pool::adaptive_avg_pool(&x, &output_size))
}
#[pyfunction]
pub fn adaptive_max_pool(x: In, output_size: Vec<i64>) -> Outs {
    run_all(|| {
        let (y, places) = rsnn_ops::pool::adaptive_max_pool(&x, &output_size)?;
        Ok(vec![y, places])
    })
}
#[pyfunction]
pub fn fractional_max_pool(x: In, kernel_size: Vec<i64>, output_size: Vec<i64>, samples: In) -> Outs {
    run_all(|| {
        let (y, places) = rsnn_ops::pool::fractional_max_pool(&x, &kernel_size, &output_size, &samples)?;
        Ok(vec![y, places])
    })
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, conv, conv_transpose, max_pool, avg_pool, adaptive_avg_pool, adaptive_max_pool, fractional_max_pool);
    Ok(())
}
