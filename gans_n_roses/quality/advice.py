"""What a run's figures mean, in plain words, and what to do when a pattern lasts."""

import re
from collections import deque

from gans_n_roses.quality.recipe import missing_remedies

WINDOW = 500  # iterations over which the discriminator's certainty is averaged
# Beside a discriminator that is sure, the generator's gradients vanish or are noise (Arjovsky and Bottou 2017,
# arXiv:1701.04862, sec. 2.2). Measured: 0.95 to 0.98 from iteration 1,000 on with 67 roses as in the article, and from
# 21,000 on with 641 photographs and R1_GAMMA, where nothing got better any more; 0.55 to 0.9 where it did. How often
# the discriminator is right is a poorer sign: 97 % with R1_GAMMA at 9,000 already, while the pictures still got better.
SURE = 0.95
NO_LONGER = 0.85
# Of photographs that were never shown, 1 to 9 % pass for copies (9 % where pictures repeat each other).
COPIES_ALLOWED = 0.1
# Iterations that copies or sameness must last. A run that learns well begins with one kind of picture: with 67 roses
# of 16 pixels, as in the article, its variety stands still at a fifth of the real pictures' for 160 iterations and
# passes a half at 260. Four times those 260 leave room for larger pictures, which are learnt more slowly.
LASTS = 1000
VARIETY_WANTED = 0.5  # of the real pictures' own

MEANINGS = {
    'Discriminator_Loss': 'How wrong the discriminator was about the batch, real and generated pictures added up. '
                          'Near 0 it is sure of everything; at 1.39 it only guesses.',
    'Discriminator_Loss_Real': 'How wrong the discriminator was about the real pictures: 0 is right and sure, 0.69 is '
                               'a guess.',
    'Discriminator_Loss_Fake': 'How wrong the discriminator was about the generated pictures: 0 is right and sure, '
                               '0.69 is a guess.',
    'Generator_Loss': 'How far the generator was from passing its pictures off as real: the lower, the better it '
                      'deceives the discriminator of the moment. It need not fall.',
    'Discriminator_Accuracy_Real': 'The share of the real pictures in the batch that the discriminator took for real.',
    'Discriminator_Accuracy_Fake': 'The share of the generated pictures in the batch that the discriminator took for '
                                   'generated.',
    'D_of_x': 'How probable the discriminator finds it that a real picture is real, on average over the batch. At 1, '
              'with D_of_G_of_z at 0, it teaches the generator nothing.',
    'D_of_G_of_z': 'How probable the discriminator finds it that a generated picture is real, on average over the '
                   'batch. At 0, with D_of_x at 1, it teaches the generator nothing.',
    'Measures/Copying': 'The median distance from a generated picture to the real one most like it: 1 is as far as '
                        'real pictures are from each other, 0 is a copy.',
    'Measures/Copies': 'The share of the generated pictures that are so near to a real one that they pass for copies.',
    'Measures/Sliced_Wasserstein': 'How far the generated pictures are from the real ones, fine and coarse patches '
                                   'together: lower is better.',
    'Measures/Diversity_Generated': 'How far two generated pictures are apart on average, in grey levels. Far below '
                                    'Diversity_Real, the generator makes few kinds of picture.',
    'Measures/Diversity_Real': 'How far two real pictures are apart on average, in grey levels.',
    'Generated_Images': 'What the generator makes of the same z as it learns.',
    'Nearest_Pictures': 'Generated pictures, each over the real one that is most like it, the most alike pair first.',
    'Advice': 'What a lasting pattern in the curves means, and what to change.',
}


def meaning(tag):
    """What TensorBoard shows under a tag, in a sentence or two for its hover help."""
    if patches := re.fullmatch(r'Measures/Sliced_Wasserstein_(\d+)', tag):
        return f'Measures/Sliced_Wasserstein of the pictures at {patches[1]} pixels alone: lower is better.'
    return MEANINGS[tag]


class Adviser:
    """Watches the figures of one run; each piece of advice is given once, and again after its cause was gone or the run
    was resumed.

    Args:
      settings: Settings; reads mirror, augment, r1_gamma and recipe, so that nobody is told to switch on what is on.
      count: how many pictures there are.
    """

    def __init__(self, settings, count):
        off = [f'{name} = {value!r}' for name, value in missing_remedies(settings, count, begun=True)]
        self._remedy = f'switch on {" and ".join(off)}' if off else 'add pictures, or stop here'
        # RECIPE is for a run that begins, and has taken what is missing unless the user would not have it.
        self._anew = "with RECIPE = 'auto'" if off and settings.recipe == 'article' else f'and {self._remedy}'
        self._certainties = deque(maxlen=WINDOW)
        self._measures = deque()
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
        while len(self._measures) > 1 and self._measures[1][0] <= iteration - LASTS:
            self._measures.popleft()  # the first one left is the last that is old enough, if any is
        begun, _ = self._measures[0]
        lasts = begun <= iteration - LASTS
        copies = [each['Copies'] for _, each in self._measures]
        varieties = [each['Diversity_Generated'] / max(each['Diversity_Real'], 1e-6) for _, each in self._measures]
        copying = lasts and min(copies) > COPIES_ALLOWED and copies[-1] >= copies[0]
        alike = lasts and max(varieties) < VARIETY_WANTED and varieties[-1] <= varieties[0]
        return self._rule(
            'copying', copying, copies[-1] <= COPIES_ALLOWED,
            f'{copies[-1]:.0%} of the generated pictures are near copies of real ones, and no longer fewer: '
            'training longer will not make new ones. '
            + ("Stop here and take CHECKPOINT = 'best'; or train anew " if has_best else 'Train anew ')
            + f'{self._anew}.'
        ) + self._rule(
            'variety', alike, varieties[-1] >= VARIETY_WANTED,
            f'The generated pictures are only {varieties[-1]:.0%} as varied as the real ones, and not more varied than '
            f'at iteration {begun}: the generator makes few kinds of picture, whatever z is. '
            f'Train anew with a lower LEARNING_RATE, or {self._remedy}.')

    def _rule(self, name, holds, gone, sentence):
        if gone:
            self._said.discard(name)
        if not holds or name in self._said:
            return []
        self._said.add(name)
        return [sentence]
