"""Access to an Ethereum chain through web3: the embedded one, a served one, or any other by its URL."""

from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint, RPCResponse

from contracts.embedded import ChainUnreachable, EmbeddedChain

__all__ = ["ChainUnreachable", "connect"]

TIMEOUT_S = 20


class _UrlProvider(HTTPProvider):
    """web3's HTTP provider, with one error for every way in which the other side may be absent."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 web3's signature
        try:
            return super().make_request(method, params)
        except (requests.RequestException, OSError) as error:
            raise ChainUnreachable(
                f"the chain at {_without_credentials(str(self.endpoint_uri))} does not answer "
                f"({type(error).__name__}): start it, or correct its address; what was to be sent stays stored"
            ) from error


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def connect(source: str | EmbeddedChain) -> Web3:
    """A web3 connection to the chain; opening it sends nothing.

    Whenever a chain given by URL does not answer, calls raise ChainUnreachable.
    """
    if isinstance(source, EmbeddedChain):
        connection = Web3(source.provider)
    elif urlsplit(source).scheme in {"http", "https"}:
        patience = {"timeout": TIMEOUT_S}
        connection = Web3(_UrlProvider(source, request_kwargs=patience, exception_retry_configuration=None))
    else:
        raise ValueError(f"{source!r} is not the address of a chain: use http://HOST:PORT")
    # Proof-of-authority chains (Besu with QBFT) put their seals into extraData, which web3 then calls
    # proofOfAuthorityData; on every chain, so that blocks read alike.
    connection.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return connection
