"""Programs beside main.py: several workers at once, photographs to train on, the model that ships."""
