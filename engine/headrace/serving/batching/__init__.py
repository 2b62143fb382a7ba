"""Which requests run together and when: tickets, the queue of one model version, and the pure policy behind it."""
