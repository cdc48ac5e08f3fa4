"""HiGHS itself: one variable an order, one balance row, passed as arrays."""

from typing import Any

import highspy
import numpy as np
from adapter import Book, Program, main


def solved(book: Book) -> Any:
    count = len(book.order_ids)
    side = np.where(book.is_sell, 1.0, -1.0)
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = count, 1
    programme.col_cost_ = side * book.limit_micro_per_kwh
    programme.col_lower_, programme.col_upper_ = np.zeros(count), book.quantity_wh.astype(float)
    programme.row_lower_ = programme.row_upper_ = np.zeros(1)
    programme.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    programme.a_matrix_.start_ = np.array([0, count])
    programme.a_matrix_.index_ = np.arange(count)
    programme.a_matrix_.value_ = side
    solver = highspy.Highs()
    solver.silent()
    solver.passModel(programme)
    solver.run()
    return solver.getSolution().col_value


main(
    Program(
        distributions=("highspy",),
        prepare=lambda book: book,
        clear=solved,
        accepted=lambda values, _: np.array(values),
    )
)
