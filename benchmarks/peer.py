"""The same networks and the same training step in PyTorch, as one who knows PyTorch writes them."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

LEARNING_RATE, BETAS = 0.0002, (0.5, 0.999)
STDDEV, EPSILON = 0.02, 0.001


def make_step(channels, z_dim, bfloat16):
    """Build both networks and their optimizers.

    Args:
      channels: list of int, output channels of the discriminator's convolutions.
      z_dim: length of z.
      bfloat16: True autocasts to bfloat16 and keeps channels last; False is float32, channels first.
    Returns:
      function f(images, z), one iteration on float32 arrays; returns (discriminator's loss, generator's loss).
    """
    layout = torch.channels_last if bfloat16 else torch.contiguous_format
    d, g = (network.to(memory_format=layout) for network in (discriminator(channels), generator(channels, z_dim)))
    for parameter in (*d.parameters(), *g.parameters()):
        if parameter.dim() > 1:
            nn.init.trunc_normal_(parameter, std=STDDEV)
    # Fused: one pass over the weights, the fastest of PyTorch's three.
    d_adam, g_adam = (torch.optim.Adam(network.parameters(), LEARNING_RATE, BETAS, fused=True) for network in (d, g))

    def autocast():
        # Entered anew after each update, since it keeps the weights that it has cast.
        return torch.autocast('cpu', torch.bfloat16, enabled=bfloat16)

    def step(images_now, z_now):
        images = torch.from_numpy(images_now).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        with autocast():
            fakes = g(torch.from_numpy(z_now))

        d.requires_grad_(True)
        with autocast():
            real_logits, fake_logits = d(images), d(fakes.detach())
        d_loss = cross_entropy(real_logits, torch.ones_like) + cross_entropy(fake_logits, torch.zeros_like)
        d_adam.zero_grad()
        d_loss.backward()
        d_adam.step()

        d.requires_grad_(False)  # the generator's step needs no gradient of the discriminator's weights
        with autocast():
            fake_logits = d(fakes)
        g_loss = cross_entropy(fake_logits, torch.ones_like)
        g_adam.zero_grad()
        g_loss.backward()
        g_adam.step()
        return d_loss.item(), g_loss.item()

    return step


def generator(channels, z_dim):
    """[batch, z_dim] to [batch, 3, size, size] in [-1, 1]."""
    first, *others = reversed(channels)
    layers = [nn.Linear(z_dim, 4 * 4 * first), nn.Unflatten(1, (first, 4, 4)), *_normal(first, nn.ReLU)]
    for input_features, features in pairwise([first, *others]):
        layers += [_conv_transpose(input_features, features), *_normal(features, nn.ReLU)]
    return nn.Sequential(*layers, _conv_transpose(channels[0], 3), nn.Tanh())


def discriminator(channels):
    """[batch, 3, size, size] to logits [batch, 1]."""
    layers = [_conv2d(3, channels[0]), _lrelu()]
    for input_features, features in pairwise(channels):
        layers += [_conv2d(input_features, features), *_normal(features, _lrelu)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 4 * channels[-1], 1))


def cross_entropy(logits, labels_like):
    """Mean sigmoid cross-entropy against one label for all, in float32."""
    logits = logits.float()
    return functional.binary_cross_entropy_with_logits(logits, labels_like(logits))


def _conv2d(input_features, features):
    return nn.Conv2d(input_features, features, 5, stride=2, padding=2)


def _conv_transpose(input_features, features):
    return nn.ConvTranspose2d(input_features, features, 5, stride=2, padding=2, output_padding=1)


def _normal(features, activation):
    return nn.BatchNorm2d(features, eps=EPSILON), activation()


def _lrelu():
    return nn.LeakyReLU(0.2, inplace=True)
