"""A module that can't be imported, as where a setting of the application is missing."""

from __future__ import annotations

import os

SETTING = os.environ["THE_SETTING_THAT_NOBODY_SET"]
