# SPDX-License-Identifier: MIT
"""scripts/bench as a module, for the other benchmarks: its servers, its free port, and what it says of the machine."""
import importlib.machinery
import importlib.util
import pathlib

loader = importlib.machinery.SourceFileLoader("bench", str(pathlib.Path(__file__).with_name("bench")))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", loader))
loader.exec_module(bench)
