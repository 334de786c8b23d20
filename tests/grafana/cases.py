"""Every unit test that is about one alert."""

from __future__ import annotations

from . import cases_burn, cases_delivery, cases_parts, cases_store, cases_symptoms

CASES = (
    *cases_symptoms.CASES,
    *cases_store.CASES,
    *cases_delivery.CASES,
    *cases_parts.CASES,
    *cases_burn.CASES,
)
