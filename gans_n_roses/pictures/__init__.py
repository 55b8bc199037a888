"""Pictures in, pictures out. Needs no TensorFlow."""
