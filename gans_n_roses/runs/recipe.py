"""The settings that help: the one rule, for RECIPE = 'auto' and for whoever is told what helps."""

from gans_n_roses.runs.shipped import SHIPPED

FEW_PICTURES = 1000  # so few are soon memorised: a run on fewer is told what helps at its start
# One for all: measured with 67 to 5,000 pictures, of roses, ships, horses and faces (docs/few_pictures.md).
REMEDIES = {'MIRROR': True, 'EMA_DECAY': 0.999, 'AUGMENT': 'translation', 'R1_GAMMA': 0.1}
REASONS = {
    'MIRROR': 'MIRROR makes two pictures of each',
    'EMA_DECAY': 'EMA_DECAY steadies the roses',
    'AUGMENT': 'AUGMENT moves what the discriminator sees, so that it memorises less',
    'R1_GAMMA': 'R1_GAMMA keeps the discriminator calm',
    'SMOOTH': 'SMOOTH ends the finest checkerboard',
    'START_FROM': 'START_FROM, since a model of roses learns yours sooner',
}


def missing_remedies(settings, begun):
    """Settings that keep the networks from memorising the pictures, and are off.

    Args:
      settings: Settings; reads mirror, augment, r1_gamma and ema_decay.
      begun: whether the run has begun. It cannot take on EMA_DECAY any more, which keeps its own copy of the weights.
    Returns:
      dict, name of the setting → value to give it; empty where nothing is missing.
    """
    return {name: value for name, value in REMEDIES.items()
            if not getattr(settings, name.lower()) and not (begun and name == 'EMA_DECAY')}


def take_recipe(settings, shipped_size):
    """Switch on what helps. What the user set, even to off on the command line, stays as it is.

    Args:
      settings: Settings of a run that begins; its RECIPE is 'auto'.
      shipped_size: image size of the model that ships; None where there is none.
    Returns:
      (Settings with what was taken, list of lines for the user: what was taken, and why).
    """
    wanted = missing_remedies(settings, begun=False)
    if not settings.smooth:
        wanted['SMOOTH'] = True
    if shipped_size in (settings.image_size, 2 * settings.image_size) and not settings.start_from:  # where measured
        wanted['START_FROM'] = SHIPPED
    taken = {name: value for name, value in wanted.items() if name not in settings.origin.given}
    by_hand = [f'{name}={value or repr(value)}' for name in REASONS
               if (value := getattr(settings, name.lower())) or name in settings.origin.given]
    what = ' '.join(f'{name}={value}' for name, value in taken.items()) or 'nothing more'
    lines = [f'{what}{" beside your " * bool(by_hand)}{" ".join(by_hand)}']
    if taken:
        lines.append('; '.join(REASONS[name] for name in taken))
    return settings.changed(taken), lines
