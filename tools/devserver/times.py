"""The clock, and its text form in the lifecycle API."""

from datetime import datetime, timezone


def utc_now():
    return datetime.now(timezone.utc)


def rfc3339(moment):
    """UTC with `Z`, and microseconds unless there are none."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if moment.microsecond else "%Y-%m-%dT%H:%M:%SZ"
    return moment.strftime(form)
