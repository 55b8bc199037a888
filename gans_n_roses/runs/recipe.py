"""The settings that help: the one rule, for RECIPE = 'auto' and for whoever is told what helps."""

from gans_n_roses.runs.shipped import SHIPPED

FEW_PICTURES = 1000  # so few are soon memorised: a run on fewer is told what helps at its start
# One for all: measured with 67 to 5,000 pictures, of roses, ships, horses and faces (docs/few_pictures.md).
REMEDIES = {'MIRROR': True, 'EMA_DECAY': 0.999, 'AUGMENT': 'translation', 'R1_GAMMA': 0.1}
ARTICLE = {'MIRROR': False, 'EMA_DECAY': 0.0, 'AUGMENT': '', 'R1_GAMMA': 0.0, 'SMOOTH': 0, 'WIDTH': 64,
           'START_FROM': ''}
SHIPPED_SIZE = 64  # pixels of the shipped model; larger networks begin with all its layers
REASONS = {
    'MIRROR': 'MIRROR makes two pictures of each',
    'EMA_DECAY': 'EMA_DECAY steadies the roses',
    'AUGMENT': 'AUGMENT moves what the discriminator sees, so that it memorises less',
    'R1_GAMMA': 'R1_GAMMA keeps the discriminator calm',
    'SMOOTH': 'SMOOTH ends the finest checkerboard',
    'WIDTH': 'WIDTH makes larger pictures affordable, by fewer channels near the picture',
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
    doublings = max(0, (settings.image_size // SHIPPED_SIZE).bit_length() - 1)
    by_hand = {name: value for name in ARTICLE
               if (value := getattr(settings, name.lower())) != ARTICLE[name] or name in settings.origin.given}
    wanted = {**REMEDIES, 'SMOOTH': 1 + doublings, 'WIDTH': ARTICLE['WIDTH'] // 2**doublings}
    if shipped_size == SHIPPED_SIZE <= 2 * settings.image_size and by_hand.get('WIDTH') in (None, wanted['WIDTH']):
        wanted['START_FROM'] = SHIPPED
    taken = {name: value for name, value in wanted.items() if name not in by_hand and value != ARTICLE[name]}
    what = ' '.join(f'{name}={value}' for name, value in taken.items()) or 'nothing more'
    yours = ' '.join(f'{name}={value or repr(value)}' for name, value in by_hand.items())
    lines = [f'{what}{" beside your " * bool(yours)}{yours}']
    if taken:
        lines.append('; '.join(REASONS[name] for name in taken))
    return settings.changed(taken), lines
