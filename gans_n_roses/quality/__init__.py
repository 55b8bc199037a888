"""How good, how varied, how copied generated pictures are, and what it means. Needs no TensorFlow."""
