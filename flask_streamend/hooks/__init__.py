"""Streaming servers' callbacks: one way in for all, and a small file in ``servers`` for each."""

from __future__ import annotations

from .call import Call, current_call

__all__ = ["Call", "current_call"]
