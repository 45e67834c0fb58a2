//! What can go wrong on a GPU, with texts that say what to do about it.

use std::fmt;

pub type Result<T> = std::result::Result<T, GpuError>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuError {
    /// No usable adapter; the text names the backends tried and the environment variables.
    NoAdapter(String),
    /// The asked-for device index does not exist.
    Index {
        index: usize,
        count: usize,
    },
    /// The calling process is a fork of the one that opened the device.
    Forked,
    OutOfMemory {
        requested: u64,
        live: u64,
        cached: u64,
        limit: u64,
    },
    /// The device is gone; nothing on it can be used any more.
    Lost(String),
    /// An error that wgpu reported outside any scope.
    Device(String),
    /// A kernel that did not compile.
    Shader {
        kernel: String,
        message: String,
    },
    /// The caller's interrupt check asked to stop waiting.
    Interrupted,
    /// A request that breaks a limit or a rule of this crate.
    Invalid(String),
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter(text) => f.write_str(text),
            Self::Index { index, count } => {
                write!(f, "gpu: device index {index}, expected an index below {count}")
            }
            Self::Forked => {
                f.write_str("gpu: cannot use the GPU in a forked process. Start the process with the \"spawn\" method")
            }
            Self::OutOfMemory { requested, live, cached, limit } => {
                write!(f, "gpu: out of memory, tried to allocate {requested} bytes ({live} in use, {cached} cached")?;
                if *limit != u64::MAX {
                    write!(f, ", limit {limit}")?;
                }
                f.write_str(")")
            }
            Self::Lost(reason) => write!(f, "gpu: the device was lost ({reason})"),
            Self::Device(text) => write!(f, "gpu: {text}"),
            Self::Shader { kernel, message } => write!(f, "gpu: kernel {kernel} did not compile: {message}"),
            Self::Interrupted => f.write_str("gpu: interrupted while waiting for the device"),
            Self::Invalid(text) => write!(f, "gpu: {text}"),
        }
    }
}

impl std::error::Error for GpuError {}
