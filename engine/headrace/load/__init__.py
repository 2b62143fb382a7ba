"""The load generator: asks any server of the protocol, open or closed loop, and says how long answers took."""
