"""What is served: where models come from, their versions, and the fleet that is swapped whole when they change."""
