"""The handler in JavaScript, and both implementations side by side."""
