"""The errors this package raises.

::

    StreamEndError
    ├── ConfigurationError    a setting, or how the extension was registered
    ├── EventIdError          an event id outside the allowed alphabet (also a ValueError)
    ├── NotRegisteredError    the extension was used where no application has it
    ├── StoreError            the store (Redis) did not answer, or refused
    ├── ApplicationError      a worker could not load the application
    ├── DirectoryError        the application's database did not answer, or refused
    └── PermanentError        a channel's word that another try is useless
"""

from __future__ import annotations


class StreamEndError(Exception):
    """Base of every error of this package."""


class ConfigurationError(StreamEndError):
    """A setting or registration that can't be used; the text names key, value and expectation."""


class EventIdError(StreamEndError, ValueError):
    """An event id that is empty, too long, reserved, or holds a character that is not allowed."""


class NotRegisteredError(StreamEndError, RuntimeError):
    """The extension was used with no application that it is registered on."""


class StoreError(StreamEndError):
    """The store did not answer in time, or refused the operation.

    :param refused: True where nobody listens at its address, so that nothing was done.
    """

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ApplicationError(StreamEndError, RuntimeError):
    """A worker could not load the application; the text says the cure."""


class DirectoryError(StreamEndError):
    """The application's database did not answer :class:`SQLAlchemyDirectory`, or refused."""


class PermanentError(StreamEndError):
    """Raised by a channel's ``send`` where another try would be useless, as with a bad address.

    :param message: what went wrong, for the ledger and the log; addresses in it are masked.
    :param reason: one of ``refused``, ``auth``, ``other``, for the metrics.
    """

    def __init__(self, message: str, reason: str = "refused") -> None:
        super().__init__(message)
        self.reason = reason
