//! The only place that joins tensors to the GPU crate: storage, transfers, devices and kernel launch.
//! Without the feature `gpu` every entry says that this build has no GPU.
#[cfg(not(feature = "gpu"))]
mod absent;
#[cfg(feature = "gpu")]
mod launch;
#[cfg(feature = "gpu")]
mod transfer;
#[cfg(all(test, feature = "validate"))]
mod variants;

#[cfg(not(feature = "gpu"))]
pub use absent::{copy_into, device_count, device_name, download, fill, run, storage, synchronize, upload};
#[cfg(feature = "gpu")]
pub use launch::run;
#[cfg(feature = "gpu")]
pub(crate) use launch::{Dense, dense, f32_only, no_kernel, operand, strided, words};
#[cfg(feature = "gpu")]
pub(crate) use transfer::{buffer, lift};
#[cfg(feature = "gpu")]
pub use transfer::{copy_into, device_count, device_name, download, fill, storage, synchronize, upload};
