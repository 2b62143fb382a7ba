"""Which threads sleep on their tickets, who of them watches the window, and whom to send to the queue."""

from __future__ import annotations

from collections import OrderedDict

from headrace.serving.batching.tickets import Ticket


class Sleepers:
    """Tickets whose threads sleep and were not woken, in the order they lay down. Not locked: the queue is.

    Invariants: the patient and the watcher are among the sleepers. A thread that runs a batch cannot keep its own
    ticket's deadline meanwhile; the patient are those that have time for one.

    Every operation takes constant time.
    """

    __slots__ = ("_all", "_patient", "_watcher")

    def __init__(self) -> None:
        self._all: OrderedDict[Ticket, None] = OrderedDict()
        self._patient: OrderedDict[Ticket, None] = OrderedDict()
        self._watcher: Ticket | None = None

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, ticket: Ticket, *, patient: bool, window: bool) -> bool:
        """Note that a ticket's thread lies down; whether it shall watch the window, where one is open and unwatched."""
        self._all[ticket] = None
        if patient:
            self._patient[ticket] = None
        if not window or self._watcher is not None:
            return False
        self._watcher = ticket
        return True

    def remove(self, ticket: Ticket) -> bool:
        """Note that a ticket's thread is awake, or about to be; whether it watched the window."""
        self._all.pop(ticket, None)
        self._patient.pop(ticket, None)
        watched = self._watcher is ticket
        if watched:
            self._watcher = None
        return watched

    def send(self, preferred: Ticket) -> None:
        """Wake somebody to look at the queue: the preferred one if it sleeps, but rather one that has time."""
        able = self._patient or self._all
        scout = preferred if preferred in able else next(iter(able))
        self.remove(scout)
        scout.sent = True
        scout.wake()
