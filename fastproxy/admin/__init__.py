"""The control plane: FastAPI on its own port. A stranger to the gateway; they meet in shared memory."""
