"""DCGAN for small pictures, after the article "GANs N' Roses" (2017)."""
