"""Importing this makes the modules of tests/contracts importable for a benchmark, as pytest does for the tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "contracts"))
