"""A saved model → roses."""
