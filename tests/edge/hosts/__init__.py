"""Programs that serve the handler to the tests; each prints `READY http://127.0.0.1:PORT` when it can be asked."""
