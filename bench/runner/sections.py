# SPDX-License-Identifier: BSL-1.0
"""The sections: each is bench/NAME/section.py, with TITLE and measure(session)."""
import importlib.util
import pathlib

BENCH = pathlib.Path(__file__).resolve().parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_section", BENCH / name / "section.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
