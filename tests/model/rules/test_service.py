# SPDX-License-Identifier: GPL-2.0-or-later
from tests.model.rules.breakage import Breakage

BREAKAGES: list[Breakage] = []
