"""Lets a call through to the service, or refuses it: who calls, and may it?"""

from __future__ import annotations

from headrace.core.errors import PermissionDeniedError, UnauthenticatedError
from headrace.serving.access.keyfile import KeyFile
from headrace.serving.access.scopes import Scope, scope_of
from headrace.serving.transport.seam import Application, Call, Conversation, Kind, Replies

_HOW = "send the header authorization: Bearer KEY, or x-api-key: KEY"
_BEARER = "bearer "


class Guard:
    """An application behind keys.

    Args:
        application: whose methods are guarded.
        keys: who may call.
    """

    def __init__(self, application: Application, keys: KeyFile) -> None:
        self._application = application
        self._keys = keys

    def kind(self, path: str) -> Kind | None:
        """As the application's: which methods exist is no secret."""
        return self._application.kind(path)

    def answer(self, path: str, message: bytes, call: Call) -> bytes:
        """Answer a unary call of a caller who may make it.

        Raises:
            UnauthenticatedError: no key came, or none that is known.
            PermissionDeniedError: the key lacks the method's scope.
            HeadraceError: the application's.
        """
        self.admit(path, call)
        return self._application.answer(path, message, call)

    def open(self, path: str, call: Call, replies: Replies) -> Conversation:
        """Begin a stream for a caller who may open it; as `answer` otherwise."""
        self.admit(path, call)
        return self._application.open(path, call, replies)

    def admit(self, path: str, call: Call) -> None:
        """Return if the caller may call the method.

        Raises:
            UnauthenticatedError: no key came, or none that is known.
            PermissionDeniedError: the key lacks the method's scope.
        """
        scope = scope_of(path)
        if scope is None:
            return
        secret = _secret(call)
        if secret is None:
            raise UnauthenticatedError("this server wants an API key and none came", hint=_HOW)
        key = self._keys.keyring.find(secret)
        if key is None:
            raise UnauthenticatedError("the API key is not known here", hint=_HOW)
        if call.note is not None:
            call.note.caller = key.name
        if not key.may(scope):
            raise PermissionDeniedError(_lacks(key.name, path, scope))


def _secret(call: Call) -> str | None:
    bearer = call.header("authorization")
    if bearer is not None and bearer[: len(_BEARER)].lower() == _BEARER:
        return bearer[len(_BEARER) :].strip()
    return call.header("x-api-key")


def _lacks(name: str, path: str, scope: Scope) -> str:
    return f"the key '{name}' may not call {path.rpartition('/')[2]}: it lacks the scope '{scope.value}'"
