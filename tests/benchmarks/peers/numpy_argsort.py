"""Not an auction: sorting the limits alone, a yardstick for every auction by merit order."""

import numpy as np
from adapter import Program, main

main(
    Program(
        distributions=("numpy",),
        prepare=lambda book: book.limit_micro_per_kwh,
        clear=np.argsort,
        accepted=lambda _, __: None,
    )
)
