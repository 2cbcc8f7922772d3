"""fastproxy: a gateway in front of AI providers, and an edge proxy. Start reading at gateway/serve.py."""
