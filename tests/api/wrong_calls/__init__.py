"""Wrong calls as data: name -> (call of a library, phrase of both texts; "" compares the type only)."""

from . import convolution, factory, functional, indexing, losses, modules, pointwise, products, reductions, shapes

TABLES = (convolution, factory, functional, indexing, losses, modules, pointwise, products, reductions, shapes)
CALLS = {f"{table.__name__.rpartition('.')[2]}: {name}": call for table in TABLES for name, call in table.CALLS.items()}

__all__ = ["CALLS"]
