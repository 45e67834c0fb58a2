//! One error type; the variant chooses the Python exception.

/// `<public name>: <what arrived>, <what was expected>`; the variant is the Python type it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    Value(String),
    Type(String),
    Runtime(String),
    Index(String),
    NotImplemented(String),
    OutOfMemory(String),
    /// A Python exception is already set (raised by a hook or by Ctrl-C) and must leave as itself.
    Raised,
}

pub type Result<T> = std::result::Result<T, Error>;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Value(s)
            | Error::Type(s)
            | Error::Runtime(s)
            | Error::Index(s)
            | Error::NotImplemented(s)
            | Error::OutOfMemory(s) => f.write_str(s),
            Error::Raised => f.write_str("an exception was raised in a callback"),
        }
    }
}

impl std::error::Error for Error {}

/// `bail!(Value, "format", ..)` returns `Err(Error::Value(..))`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($arg:tt)*) => {
        return Err($crate::Error::$kind(format!($($arg)*)))
    };
}

/// `ensure!(cond, Value, "format", ..)` bails unless `cond`.
#[macro_export]
macro_rules! ensure {
    ($cond:expr, $kind:ident, $($arg:tt)*) => {
        if !$cond {
            return Err($crate::Error::$kind(format!($($arg)*)));
        }
    };
}
