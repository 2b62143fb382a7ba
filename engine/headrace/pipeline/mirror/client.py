"""MLflow's REST API, as much of it as the mirror needs: one connection, kept open, a clear word for every failure.

Reference: MLflow REST API 2.0.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import unquote, urlencode, urlsplit

from headrace.core.errors import Code, HeadraceError, InvalidInputError, UnauthenticatedError, UnavailableError

TIMEOUT_S = 15.0
PAGE = 1_000
_ROOT = "/api/2.0/mlflow/"
_LATER = frozenset({408, 425, 429})
_UNKNOWN = frozenset({401, 403})


class RefusedError(HeadraceError):
    """The server understood a request and does not do it; asking again would not help.

    Args:
        message: the server's own.
        reason: MLflow's code, such as `RESOURCE_DOES_NOT_EXIST`.
    """

    code: ClassVar[Code] = Code.FAILED_CHECK

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class MlflowServer:
    """Where to send.

    Attributes:
        url: without user and password: what may be shown and stored.
        authorization: value of the header; empty: none.
    """

    url: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, uri: str, *, token: str = "") -> MlflowServer:
        """Read `https://user:password@host:port/path`.

        Raises:
            InvalidInputError: no URI, or not of this form.
        """
        if not uri:
            raise InvalidInputError(
                "there is no MLflow server to mirror to", hint="set HEADRACE_MLFLOW_URI=http://host:5000, or use --uri"
            )
        try:
            parts = urlsplit(uri)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise InvalidInputError(f"the MLflow server's address is not readable: {error}") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidInputError("the MLflow server's address must be http://host[:port] or https://host[:port]")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        authorization = f"Bearer {token}" if token else ""
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return cls(f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}", authorization)


class MlflowClient:
    """One connection to a server; not for several threads."""

    def __init__(self, server: MlflowServer, *, timeout_s: float = TIMEOUT_S) -> None:
        self._server = server
        parts = urlsplit(server.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        self._root = parts.path + _ROOT

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._connection.close()

    def get(self, method: str, **query: Any) -> dict[str, Any]:
        """Ask; raises as `post`."""
        return self._call("GET", f"{method}?{urlencode(query)}", None)

    def post(self, method: str, body: Mapping[str, Any], *, verb: str = "POST") -> dict[str, Any]:
        """Tell.

        Raises:
            RefusedError: the server does not do it.
            InvalidInputError: what answers is no MLflow server.
            UnauthenticatedError: the server does not know us.
            UnavailableError: no answer, or one that asks to come again.
        """
        return self._call(verb, method, json.dumps(body, allow_nan=False).encode())

    def pages(self, method: str, found: str, **query: Any) -> Iterator[Any]:
        """Everything of a listing, page by page."""
        token = ""
        while True:
            answer = self.get(method, **query, max_results=PAGE, **({"page_token": token} if token else {}))
            yield from answer.get(found, ())
            token = answer.get("next_page_token", "")
            if not token:
                return

    def _call(self, verb: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._server.authorization:
            headers["Authorization"] = self._server.authorization
        try:
            self._connection.request(verb, self._root + path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens it anew
            raise UnavailableError(f"{self._server.url} does not answer: {error or type(error).__name__}") from error
        return self._read(answer.status, content)

    def _read(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            told = json.loads(content) if content else {}
        except ValueError:
            told = None
        if status == http.client.OK and isinstance(told, dict):
            return told
        said = told if isinstance(told, dict) else {}
        reason = str(said.get("error_code", ""))
        message = (
            f"{self._server.url} answered {status}: {said.get('message') or content[:200].decode(errors='replace')}"
        )
        if status in _UNKNOWN:
            hint = "user and password go into the address, a token into HEADRACE_MLFLOW_TOKEN"
            raise UnauthenticatedError(message, hint=hint)
        if status >= 500 or status in _LATER:
            raise UnavailableError(message)
        if not reason:
            raise InvalidInputError(message, hint="is this the address of an MLflow server?")
        raise RefusedError(message, reason=reason)
