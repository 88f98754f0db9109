# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Hypothesis draws the same examples in every run, so that a failure is one of the change at hand; with LOAS_LONG=1 new ones."""

from __future__ import annotations

import os

from hypothesis import settings

# no deadline: it says how busy the machine is
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("new", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("new" if os.environ.get("LOAS_LONG") else "same")
