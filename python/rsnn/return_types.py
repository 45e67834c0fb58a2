"""Named tuples of functions with several results; like torch's they are made from one sequence."""

from operator import itemgetter


class _Results(tuple):
    """A tuple whose places have names."""

    __slots__ = ()
    _fields = ()

    def __new__(cls, values):
        self = tuple.__new__(cls, values)
        if len(self) != len(cls._fields):
            raise TypeError(f"{cls.__module__}.{cls.__name__}() takes a {len(cls._fields)}-sequence ({len(self)}-sequence given)")
        return self

    def __repr__(self):
        return f"{self.__module__}.{type(self).__name__}(\n" + ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self)) + ")"


def _kind(name, *fields):
    places = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    globals()[name] = type(name, (_Results,), {"__slots__": (), "_fields": fields, "__module__": __name__, **places})


for _name in "max min sort topk median nanmedian mode kthvalue cummax cummin".split():
    _kind(_name, "values", "indices")
for _name in ("histogram", "histogramdd"):
    _kind(_name, "hist", "bin_edges")
for _name in ("slogdet", "linalg_slogdet"):
    _kind(_name, "sign", "logabsdet")
for _name in ("qr", "linalg_qr"):
    _kind(_name, "Q", "R")
for _name in ("lu_unpack", "linalg_lu"):
    _kind(_name, "P", "L", "U")
_kind("aminmax", "min", "max")
_kind("frexp", "mantissa", "exponent")
_kind("svd", "U", "S", "V")
_kind("geqrf", "a", "tau")
_kind("triangular_solve", "solution", "cloned_coefficient")
_kind("linalg_svd", "U", "S", "Vh")
_kind("linalg_eigh", "eigenvalues", "eigenvectors")
_kind("linalg_lu_factor", "LU", "pivots")
_kind("linalg_lu_factor_ex", "LU", "pivots", "info")
_kind("linalg_cholesky_ex", "L", "info")
_kind("linalg_inv_ex", "inverse", "info")
_kind("linalg_solve_ex", "result", "info")
_kind("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
