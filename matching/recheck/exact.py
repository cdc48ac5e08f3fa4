"""Whole numbers beyond 64 bits, summed without losing one."""

import numpy as np

from matching.book import IntArray

HALF_BITS = 32


def total(values: IntArray) -> int:
    """The sum, exact: upper and lower halves are summed apart, neither of which can overflow."""
    upper, lower = values >> HALF_BITS, values & ((1 << HALF_BITS) - 1)
    return (int(upper.sum()) << HALF_BITS) + int(lower.sum())


def total_of_products(left: IntArray, right: IntArray) -> int:
    """Sum of products, each of which fits into 64 bits."""
    return total(np.multiply(left, right))
