"""HTTP/1.1, TLS, WebSocket tunnels and sockets. Knows nothing of AI, keys or configuration."""
