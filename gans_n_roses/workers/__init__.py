"""Several workers that train one run together. Whoever trains on one machine never needs to open this folder."""
