"""The command line: one file a command group, heavy imports only inside the command that needs them."""
