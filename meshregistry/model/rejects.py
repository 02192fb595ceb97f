"""What was dropped or repaired on the way from instance to resource, and why."""

import msgspec


class Reject(msgspec.Struct, frozen=True, gc=False, order=True):
    """One thing that was dropped or repaired alone.

    `reason` is a short stable word for metrics (`port_range`, `label_value`, `host_invalid`, …), `subject` names
    the offender (an address, a label key, a host), `detail` says what was wrong and what was done.
    """

    resource: str
    reason: str
    subject: str
    detail: str
