"""What a run's figures mean, in plain words, when a pattern lasts."""

from collections import deque

WINDOW = 500  # iterations over which the discriminator's certainty is averaged
# Beside a discriminator that is sure, the generator's gradients vanish or are noise (Arjovsky and Bottou 2017,
# arXiv:1701.04862, sec. 2.2). Measured: 0.95 to 0.98 from iteration 1,000 on with 67 roses as in the article, and from
# 21,000 on with 641 photographs and R1_GAMMA, where nothing got better any more; 0.55 to 0.9 where it did. How often it
# is right tells them apart less well: that is 0.97 with R1_GAMMA at 9,000 already.
SURE = 0.95
NO_LONGER = 0.85
# Of photographs that were never shown, 1 to 9 % pass for copies (9 % where pictures repeat each other).
COPIES_ALLOWED = 0.1
VERY_FEW_PICTURES = 300  # with 67 AUGMENT helps and R1_GAMMA harms, with 641 the other way round (README)
VARIETY_WANTED = 0.5  # of the real pictures' own


def remedy_for(count):
    """What helps with so many pictures, beside MIRROR and EMA_DECAY.

    Args:
      count: how many pictures there are.
    Returns:
      (name of the setting, value).
    """
    return ('AUGMENT', 'color,translation,cutout') if count < VERY_FEW_PICTURES else ('R1_GAMMA', 1)


class Adviser:
    """Watches the figures of one run; each piece of advice is given once, and again after its cause was gone or the run
    was resumed.

    Args:
      settings: Settings; reads mirror, augment and r1_gamma, so that nobody is told to switch on what is on.
      count: how many pictures there are.
    """

    def __init__(self, settings, count):
        remedies = (('MIRROR', True), remedy_for(count))
        off = [f'{name} = {value!r}' for name, value in remedies if not getattr(settings, name.lower())]
        self._remedy = f'switch on {" and ".join(off)}' if off else 'add pictures, or stop here'
        self._certainties = deque(maxlen=WINDOW)
        self._measures = deque(maxlen=2)
        self._said = set()

    def watch_training(self, scalars):
        """Look at one iteration.

        Args:
          scalars: dict with "D_of_x" and "D_of_G_of_z", probabilities.
        Returns:
          list of sentences, mostly empty.
        """
        self._certainties.append((scalars['D_of_x'] + 1 - scalars['D_of_G_of_z']) / 2)
        mean = sum(self._certainties) / len(self._certainties)
        return self._rule(
            'overfitting', len(self._certainties) == WINDOW and mean > SURE, mean < NO_LONGER,
            f'For {WINDOW} iterations the discriminator gave the right answer a probability of {mean:.0%}: it knows '
            f'the pictures by heart, and the generator learns little from it. To change that, {self._remedy}.')

    def watch_measures(self, iteration, measures, has_best):
        """Look at one measurement.

        Args:
          iteration: when it was made.
          measures: dict with "Copies", "Diversity_Generated" and "Diversity_Real".
          has_best: whether a best checkpoint, which copies less, is kept.
        Returns:
          list of sentences, mostly empty.
        """
        self._measures.append((iteration, measures))
        (_, before), (_, now) = self._measures[0], self._measures[-1]
        lasts = len(self._measures) == 2
        varieties = [each['Diversity_Generated'] / max(each['Diversity_Real'], 1e-6) for each in (before, now)]
        copies = lasts and now['Copies'] >= before['Copies'] > COPIES_ALLOWED
        alike = lasts and max(varieties) < VARIETY_WANTED and varieties[1] <= varieties[0]
        return self._rule(
            'copying', copies, now['Copies'] <= COPIES_ALLOWED,
            f'{now["Copies"]:.0%} of the generated pictures are near copies of real ones, and no longer fewer: '
            'training longer will not make new ones. '
            + ("Stop here and take CHECKPOINT = 'best'; or train anew and " if has_best else 'Train anew and ')
            + f'{self._remedy}.'
        ) + self._rule(
            'variety', alike, varieties[1] >= VARIETY_WANTED,
            f'The generated pictures are only {varieties[1]:.0%} as varied as the real ones, and not more varied than '
            f'at iteration {self._measures[0][0]}: the generator makes few kinds of picture, whatever z is. '
            f'Train anew with a lower LEARNING_RATE, or {self._remedy}.')

    def _rule(self, name, holds, gone, sentence):
        if gone:
            self._said.discard(name)
        if not holds or name in self._said:
            return []
        self._said.add(name)
        return [sentence]
