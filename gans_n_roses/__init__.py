"""DCGAN for small pictures, after the article "GANs N' Roses" (2017)."""

__version__ = '1.8.1'
