"""What the program runs on: sessions, precision, signals, files."""
