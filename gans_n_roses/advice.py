"""What a run's figures mean, in plain words, when a pattern lasts."""

from collections import deque

WINDOW = 500  # iterations over which the discriminator's accuracy is averaged
# Right on 95 % is the 0.9 of Karras et al. 2020, arXiv:2006.06676, sec. 3.1, whose r_t = 2 · accuracy - 1 they hold at
# 0.6. Measured on 67 and on 641 roses: 0.97 to 1 from iteration 500 on as in the article, 0.55 to 0.85 with MIRROR and
# AUGMENT.
RIGHT_ON_NEARLY_ALL = 0.95
NO_LONGER = 0.85
# Of photographs that were never shown, 1 to 9 % pass for copies (9 % where pictures repeat each other).
COPIES_ALLOWED = 0.1
VARIETY_WANTED = 0.5  # of the real pictures' own
MIRROR, AUGMENT = 'MIRROR = True', "AUGMENT = 'color,translation,cutout'"


class Adviser:
    """Watches the figures of one run; each piece of advice is given once, and again after its cause was gone or the run
    was resumed.

    Args:
      settings: Settings; reads mirror and augment, so that nobody is told to switch on what is on.
    """

    def __init__(self, settings):
        off = [remedy for remedy, on in ((MIRROR, settings.mirror), (AUGMENT, settings.augment)) if not on]
        self._remedy = f'switch on {" and ".join(off)}' if off else 'add pictures, or stop here'
        self._accuracies = deque(maxlen=WINDOW)
        self._measures = deque(maxlen=2)
        self._said = set()

    def watch_training(self, scalars):
        """Look at one iteration.

        Args:
          scalars: dict with "Discriminator_Accuracy_Real" and "Discriminator_Accuracy_Fake", shares from 0 to 1.
        Returns:
          list of sentences, mostly empty.
        """
        self._accuracies.append(
            (scalars['Discriminator_Accuracy_Real'] + scalars['Discriminator_Accuracy_Fake']) / 2)
        mean = sum(self._accuracies) / len(self._accuracies)
        return self._rule(
            'overfitting', len(self._accuracies) == WINDOW and mean > RIGHT_ON_NEARLY_ALL, mean < NO_LONGER,
            f'For {WINDOW} iterations the discriminator was right on {mean:.0%}: it knows the pictures by heart, and '
            f'the generator learns little from it. To change that, {self._remedy}.')

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
