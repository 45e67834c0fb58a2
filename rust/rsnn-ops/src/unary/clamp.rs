//! `clamp` with numbers (a row of the table) and with tensors (comparisons and `where`).
use crate::elementwise::Binary;
use crate::op::apply;
use crate::select::where_;
use crate::tensor::Tensor;
use rsnn_core::{Result, ensure};

/// `min(max(x, low), high)` with numbers; a float bound makes integers float32.
pub fn clamp(x: &Tensor, low: Option<f64>, high: Option<f64>, float: bool) -> Result<Tensor> {
    ensure!(low.is_some() || high.is_some(), Runtime, "torch.clamp: At least one of 'min' or 'max' must not be None");
    let x = if float && !x.dtype().is_float() {
        crate::copy::to_dtype(x, crate::elementwise::default_dtype())?
    } else {
        x.clone()
    };
    super::unary("clamp", &x, [low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY), 0.0])
}

/// The same with tensors that broadcast; at a bound the gradient goes to `x`, NaN anywhere stays.
pub fn clamp_tensor(x: &Tensor, low: Option<&Tensor>, high: Option<&Tensor>) -> Result<Tensor> {
    ensure!(low.is_some() || high.is_some(), Runtime, "torch.clamp: At least one of 'min' or 'max' must not be None");
    let mut y = x.clone();
    for (bound, beyond) in [(low, Binary::Lt), (high, Binary::Gt)] {
        let Some(bound) = bound else { continue };
        let out = apply(beyond, &[y.clone(), bound.clone()])?;
        let nan = apply(Binary::Ne, &[bound.clone(), bound.clone()])?;
        y = where_(&apply(Binary::LogicalOr, &[out, nan])?, bound, &y)?;
    }
    Ok(y)
}
