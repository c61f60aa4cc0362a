"""Tests have a short form, for every run, and a long one that `make soak` runs."""

from __future__ import annotations

import os

import pytest

SOAK = "CONTINUO_SOAK" in os.environ
#: Of tests that only the long form has.
LONG = pytest.mark.skipif(not SOAK, reason="takes long: `make soak` runs it")
