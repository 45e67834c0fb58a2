//! batch_norm, group_norm and local_response_norm.
use crate::prelude::*;

#[pyfunction]
#[pyo3(signature = (x, weight=None, bias=None, running_mean=None, running_var=None, training=false, momentum=0.1, eps=1e-5))]
#[allow(clippy::too_many_arguments)]
pub fn batch_norm(
    x: In,
    weight: Option<In>,
    bias: Option<In>,
    running_mean: Option<In>,
    running_var: Option<In>,
    training: bool,
    momentum: f64,
    eps: f64,
) -> Out {
    run(|| {
        let (mean, var) = (opt(&running_mean), opt(&running_var));
        rsnn_ops::batch_norm::batch_norm(&x, opt(&weight), opt(&bias), mean, var, training, momentum, eps)
    })
}
#[pyfunction]
#[pyo3(signature = (x, num_groups, weight=None, bias=None, eps=1e-5))]
pub fn group_norm(x: In, num_groups: usize, weight: Option<In>, bias: Option<In>, eps: f64) -> Out {
    run(|| rsnn_ops::group_norm::group_norm(&x, num_groups, opt(&weight), opt(&bias), eps))
}

#[pyfunction]
pub fn local_response_norm(x: In, size: i64, alpha: f64, beta: f64, k: f64) -> Out {
    run(|| rsnn_ops::response_norm::local_response_norm(&x, size, alpha, beta, k))
}

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    functions!(m, batch_norm, group_norm, local_response_norm);
    Ok(())
}
