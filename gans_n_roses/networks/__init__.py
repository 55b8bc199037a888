"""The two networks, their losses and their training step."""
