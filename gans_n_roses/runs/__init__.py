"""What is kept of a run, where, and how it goes on."""
