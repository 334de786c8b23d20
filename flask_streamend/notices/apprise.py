"""A channel for people's phones and chats: whatever Apprise has an address for.

https://github.com/caronc/apprise lists them; the extra ``channels`` installs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..event import Notice
from .arguments import LONGEST, channel_name, channel_timeout, one_or_more
from .bounded import Bounded
from .failures import Deferred
from .quiet import quiet

if TYPE_CHECKING:
    from apprise import Apprise, AppriseAsset, NotifyBase

#: Calls that may hang: a service's time-out is its own, and of a hundred some have none.
HANGING = 8


class AppriseChannel:
    """Tells a host by what Apprise knows: SMS, push, chat.

    ::

        StreamEnd(channels=[AppriseChannel("ntfys://ntfy.example.org/live")])

    Several URLs are one channel: an attempt at which one of them fails is repeated for all. With a
    channel for each they have their own retries.

    :param url: an Apprise URL, or several.
    :param name: the channel's name, in preferences and metrics.
    :param timeout: seconds for one attempt, 0.1 to 30.
    :raises ConfigurationError: where Apprise is not installed or knows no such URL; the text does
        not show it.
    """

    def __init__(
        self, url: str | Sequence[str], name: str = "apprise", *, timeout: float = LONGEST
    ) -> None:
        self.name = channel_name(name)
        #: Seconds after which an attempt is over.
        self.longest = channel_timeout(timeout)
        urls = one_or_more(url)
        if not urls:
            raise ConfigurationError("AppriseChannel has no URL: expected one or more")
        self._apprise = _apprise(urls)
        self._calls = Bounded(HANGING)

    def send(self, notice: Notice) -> None:
        """Send one notice to each URL.

        :raises TimeoutError: where it takes too long.
        :raises OSError: where one of them was not taken; Apprise does not say why.
        """
        self._calls.call(lambda: self._notify(notice), self.longest, "Apprise")

    def _notify(self, notice: Notice) -> None:
        with quiet():
            result = self._apprise.notify(
                title=notice.title,
                body=notice.text,
                # As it is: where a service takes HTML, it is escaped.
                body_format="text",
            )
        if not result:
            failed = [one.name for one in result if not one]
            raise Deferred(f"not taken by {', '.join(failed) or 'Apprise'}", "other")


def _apprise(urls: Sequence[str]) -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise ConfigurationError(
            "AppriseChannel needs Apprise: pip install 'flask-streamend[channels]'"
        ) from error

    asset = AppriseAsset(
        app_id="flask-streamend",
        # In the thread that asks: Apprise's own are not there after a fork.
        async_mode=False,
        service_timeout=0,
        http_redirects=False,
    )
    with quiet():
        return Apprise([_service(url, asset) for url in urls], asset=asset)


def _service(url: str, asset: AppriseAsset) -> NotifyBase:
    from apprise import Apprise

    service = Apprise.instantiate(url, asset=asset) if isinstance(url, str) else None
    if service is None:
        raise ConfigurationError(
            "Apprise knows no such URL: expected one as its documentation shows it,"
            " with all its parts"
        )
    return service
