"""Lists how primitives of JAX treat axes: which act on each entry, and how `reshape` groups."""

from collections.abc import Iterator, Sequence

# Each entry of the result follows from the entries at its place, in arrays of the same shape or
# with axes of size 1.
ELEMENTWISE = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "add",
        "add_any",
        "and",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bessel_i0e",
        "bessel_i1e",
        "cbrt",
        "ceil",
        "clamp",
        "clz",
        "complex",
        "conj",
        "convert_element_type",
        "copy",
        "copy_p",
        "cos",
        "cosh",
        "digamma",
        "div",
        "eq",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "igamma",
        "igammac",
        "imag",
        "integer_pow",
        "is_finite",
        "le",
        "lgamma",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "nextafter",
        "not",
        "or",
        "population_count",
        "pow",
        "real",
        "reduce_precision",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "shift_left",
        "shift_right_arithmetic",
        "shift_right_logical",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "stop_gradient",
        "sub",
        "tan",
        "tanh",
        "xor",
    ]
)
# These are linear in each argument alone, or change nothing.
LINEAR = frozenset(
    [
        "add",
        "add_any",
        "convert_element_type",
        "copy",
        "copy_p",
        "div",
        "mul",
        "neg",
        "reduce_precision",
        "select_n",
        "stop_gradient",
        "sub",
    ]
)
REDUCTIONS = frozenset(
    [
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "reduce_and",
        "reduce_or",
        "reduce_xor",
        "argmax",
        "argmin",
    ]
)


def reshape_groups(
    before: Sequence[int], after: Sequence[int]
) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the axes of a reshape in groups of equal size, as few axes as possible in each.

    Args:
      before: the shape of the argument.
      after: the shape of the result.

    Yields:
      Axes of the argument and axes of the result that hold the same entries, in order. An axis of
      size 1 can stand alone, with no axis on the other side.

    Example:
      >>> list(reshape_groups((2, 3, 4), (6, 4)))
      [([0, 1], [0]), ([2], [1])]
    """
    if 0 in before:
        yield list(range(len(before))), list(range(len(after)))
        return
    i = j = 0
    while i < len(before) or j < len(after):
        left, right = [], []
        # Axes of size 1 pair with each other, or stand alone.
        if i < len(before) and before[i] == 1 and not (j < len(after) and after[j] == 1):
            yield [i], []
            i += 1
            continue
        if j < len(after) and after[j] == 1 and not (i < len(before) and before[i] == 1):
            yield [], [j]
            j += 1
            continue
        left.append(i)
        right.append(j)
        sizes = [before[i], after[j]]
        i, j = i + 1, j + 1
        while sizes[0] != sizes[1]:
            if sizes[0] < sizes[1]:
                left.append(i)
                sizes[0] *= before[i]
                i += 1
            else:
                right.append(j)
                sizes[1] *= after[j]
                j += 1
        yield left, right
