"""Front doors: each moves bytes between sockets and one `Application`, which is written once for all of them."""
