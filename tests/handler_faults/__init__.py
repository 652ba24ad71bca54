"""What may go wrong around a running handler, and what must hold all the same: docs/reliability.md."""
