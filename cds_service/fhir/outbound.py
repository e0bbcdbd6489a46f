"""The way out to a FHIR server: its address checked and kept, no redirect, no cookie, no proxy of the machine."""

from __future__ import annotations

import ipaddress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests_hardened.client import HTTPSession
from requests_hardened.config import Config
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from .retry import ONE_MORE

# IPv6 that is given to anybody; all else is reserved, local, or another spelling of IPv4.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
# Public by its number, and yet the inside of every virtual machine of one large cloud.
_CLOUD_HOST = ipaddress.ip_address("168.63.129.16")


def session(*, private_network: bool, connections: int) -> requests.Session:
    """What exchanges with one server go through, at most ``connections`` kept open.

    Unless ``private_network``, a name is resolved for each exchange, refused when its address is not public
    (RequestException), and the very address that was checked is connected to; TLS still asks for the name.
    """
    made = _Session(
        Config(
            ip_filter_enable=False,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=(1, 1),
            user_agent_override="bone-health-cds",
        )
    )
    made.trust_env = False  # no proxy, no .netrc of the machine
    # A cookie set in answer to one caller's token would go along with the next caller's.
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    for scheme in ("http", "https"):
        adapter = HTTPAdapter() if private_network else _PublicOnly(is_https_proto=scheme == "https")
        adapter.max_retries = ONE_MORE  # to the address that was checked: names are resolved above this
        adapter.init_poolmanager(connections, connections)
        made.mount(f"{scheme}://", adapter)
    return made


class _Session(HTTPSession):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: a redirect is an answer like any other. requests would read its whole body, however large."""


class _PublicOnly(IPFilterAdapter):
    """What the library lets pass and is no public address all the same, is refused too."""

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        address = ipaddress.ip_address(str(host["host"]).strip("[]"))
        if address == _CLOUD_HOST or (address.version == 6 and address not in _PUBLIC_IPV6):
            raise InvalidIPAddress(address)
        return host, pool
