"""Lets a call through to the service, or refuses it: who calls, and may it?"""

from __future__ import annotations

from headrace.core.errors import PermissionDeniedError, UnauthenticatedError
from headrace.serving.access.keyfile import KeyFile
from headrace.serving.access.scopes import Scope, scope_of
from headrace.serving.transport.seam import Application, Call, Conversation, Kind, Replies, Transport

_HOW = "send the header authorization: Bearer KEY, or x-api-key: KEY"
_BEARER = "bearer "
_AUTHORIZATION, _API_KEY = "authorization", "x-api-key"


class Guard:
    """An application behind keys.

    Args:
        application: whose methods are guarded.
        keys: who may call.
    """

    def __init__(self, application: Application, keys: KeyFile) -> None:
        self._application = application
        self._keys = keys
        self._transport: Transport | None = None

    def stand_at(self, transport: Transport) -> None:
        """Tell a transport whom it may let through to ModelInfer by itself, until the keys change."""
        self._transport = transport
        self._keys.on_change = transport.distrust

    def look(self) -> None:
        """Look at the file of keys now, if it is time: a transport that asks seldom learns of a change too."""
        _ = self._keys.keyring

    def name_of(self, credential: str) -> str:
        """Name of the key in a header field, given as `name:value`; empty where it is not known any more."""
        header, _, value = credential.partition(":")
        found = _credential(Call(None, lambda _: False, ((header, value),)))
        key = self._keys.keyring.find(found[1]) if found is not None else None
        return key.name if key is not None else ""

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
        found = _credential(call)
        if found is None:
            raise UnauthenticatedError("this server wants an API key and none came", hint=_HOW)
        credential, secret = found
        keyring = self._keys.keyring
        key = keyring.find(secret)
        if key is None:
            raise UnauthenticatedError("the API key is not known here", hint=_HOW)
        if call.note is not None:
            call.note.caller = key.name
        if not key.may(scope):
            raise PermissionDeniedError(_lacks(key.name, path, scope))
        if scope is Scope.INFER and self._transport is not None:
            with self._keys.lock:
                if self._keys.is_current(keyring):
                    self._transport.trust(credential)


def _credential(call: Call) -> tuple[str, str] | None:
    """The header field that says who calls, as `name:value`, and the key in it."""
    bearer = call.header(_AUTHORIZATION)
    if bearer is not None and bearer[: len(_BEARER)].lower() == _BEARER:
        return f"{_AUTHORIZATION}:{bearer}", bearer[len(_BEARER) :].strip()
    plain = call.header(_API_KEY)
    return (f"{_API_KEY}:{plain}", plain) if plain is not None else None


def _lacks(name: str, path: str, scope: Scope) -> str:
    return f"the key '{name}' may not call {path.rpartition('/')[2]}: it lacks the scope '{scope.value}'"
