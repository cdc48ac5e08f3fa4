"""Pyomo and HiGHS as a textbook writes it: one variable an order, the model stated and solved each time."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
from adapter import Book, Program, main


def solved(book: Book) -> Any:
    side = np.where(book.is_sell, 1, -1).tolist()
    quantity, limit = book.quantity_wh.tolist(), book.limit_micro_per_kwh.tolist()
    model = pyo.ConcreteModel()
    model.orders = pyo.RangeSet(0, len(side) - 1)
    model.accepted = pyo.Var(model.orders, bounds=lambda _, i: (0, quantity[i]))
    model.balance = pyo.Constraint(expr=sum(side[i] * model.accepted[i] for i in model.orders) == 0)
    model.welfare = pyo.Objective(
        expr=sum(-side[i] * limit[i] * model.accepted[i] for i in model.orders), sense=pyo.maximize
    )
    pyo.SolverFactory("appsi_highs").solve(model)
    return model


main(
    Program(
        distributions=("pyomo", "highspy"),
        prepare=lambda book: book,
        clear=solved,
        accepted=lambda model, count: [model.accepted[i].value for i in range(count)],
    )
)
