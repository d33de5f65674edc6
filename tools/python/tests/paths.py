# SPDX-License-Identifier: Apache-2.0
"""Puts the client that stands beside these tests first, wherever they are run from."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
