"""Advice: the meaning of a run's figures in plain words, and what to do when a bad sign persists."""

from collections import deque

from gans_n_roses.quality.metrics import BY_KIND
from gans_n_roses.runs.recipe import missing_remedies

WINDOW = 500  # iterations over which the discriminator's certainty is averaged
# Beside a discriminator that is certain, the generator's gradients vanish or are noise (Arjovsky and Bottou 2017,
# arXiv:1701.04862, sec. 2.2). Measured: 0.95 to 0.98 from iteration 1,000 on with 67 roses as in the article, and from
# 21,000 on with 641 photographs and R1_GAMMA, where nothing got better any more; 0.55 to 0.9 where it did. How often
# the discriminator is right is a poorer sign: 97 % with R1_GAMMA at 9,000 already, while the pictures still got better.
CERTAIN = 0.95
UNCERTAIN_AGAIN = 0.85
COPIES_ALLOWED = 0.1  # share of the pictures; of photographs that were never shown, up to 2 % pass for copies
VARIETY_WANTED = 0.5  # of the real pictures' own
# Iterations that copies or sameness must go on for, before advice is given. A run that learns well begins with one kind
# of picture: with 67 roses of 16 pixels, as in the article, its variety stands still at a fifth of the real pictures'
# for 160 iterations and passes a half at 260. Four times those 260 leave room for larger pictures, which are learnt
# more slowly.
PERSISTENT = 1000

REAL_RUN = 'real_pictures'  # in TensorBoard, beside the run: the measures that pictures as good as real ones have

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
    'Quality/Distance': 'How far the generated pictures are from the real ones, in thousandths of the distance of two '
                        'real pictures: lower is better, 0 cannot be told from real. Pictures as good as real ones '
                        f'stay below the curve of the run {REAL_RUN}.',
    'Quality/Standard_Error': 'How far Quality/Distance is off, give or take, by the luck of which pictures were '
                              'generated: two values nearer than three times that may be the same.',
    'Quality/Diversity': 'How far two pictures are apart on average, in grey levels. Far below the curve of the run '
                         f'{REAL_RUN}, the generator makes few kinds of picture.',
    'Quality/Copying': 'The median distance from a generated picture to the real one most like it: 1 is as far as a '
                       'picture of its own is, 0 is a copy.',
    'Quality/Copies': 'The share of the generated pictures that are so near to a real one that they pass for copies.',
    'Distance_By/Energy': 'Quality/Distance by the strength of edges alone, of each size, direction and colour: sees '
                          'wrong colours and blur.',
    'Distance_By/Spread': 'Quality/Distance by how unevenly edges lie over a picture alone: sees noise, checkerboards, '
                          'blur, and texture where objects should be.',
    'Distance_By/Orient': 'Quality/Distance by which edges come together alone: sees few kinds of picture.',
    'Distance_By/Scale': 'Quality/Distance by which coarse edges come with fine ones alone: sees few kinds of picture, '
                         'and pictures in pieces.',
    'Distance_By/Second': 'Quality/Distance by how edges swell and fade along their way alone: sees noise, '
                          'checkerboards, blur, bent and broken outlines.',
    'Distance_By/Thumb': 'Quality/Distance by tiny thumbnails alone: sees colour, light, and what lies where.',
    'Generated_Images': 'What the generator makes of the same z as it learns.',
    'Nearest_Pictures': 'Generated pictures, each over the real one that is most like it, the most alike pair first.',
    'Advice': 'What a lasting pattern in the curves means, and what to change.',
}


def meaning(tag):
    """What TensorBoard says of a tag."""
    return 'Quality/Distance among the pictures of this kind alone.' if tag.startswith(BY_KIND) else MEANINGS[tag]


class Adviser:
    """Watches the figures of one run, and says what they mean.

    Each piece of advice is given once. It is given again if its cause comes back, or the run is resumed.

    Args:
      settings: Settings; reads mirror, augment, r1_gamma and recipe, so that nobody is told to switch on what is on.
    """

    def __init__(self, settings):
        off = ', '.join(f'{name} = {value!r}' for name, value in missing_remedies(settings, begun=True).items())
        self._remedy = f'switch on {" and ".join(off.rsplit(", ", 1))}' if off else 'add pictures, or stop here'
        # With RECIPE, what is missing was switched off by hand: taking the recipe again would not bring it back.
        self._anew = "with RECIPE = 'auto'" if off and settings.recipe == 'article' else f'and {self._remedy}'
        self._certainties = deque(maxlen=WINDOW)
        self._measured = deque()  # (iteration, share of copies, variety beside the real pictures')
        self._given = set()

    def watch_training(self, scalars):
        """Look for overfitting in the scalars of one iteration.

        Args:
          scalars: dict with "D_of_x" and "D_of_G_of_z", probabilities.
        Returns:
          list of sentences, mostly empty.
        """
        self._certainties.append((scalars['D_of_x'] + 1 - scalars['D_of_G_of_z']) / 2)
        mean = sum(self._certainties) / len(self._certainties)
        return self._advise(
            'overfitting', len(self._certainties) == WINDOW and mean > CERTAIN, mean < UNCERTAIN_AGAIN,
            f'For {WINDOW} iterations the discriminator gave the right answer a probability of {mean:.0%}: it knows '
            f'the pictures by heart, and the generator learns little from it. To change that, {self._remedy}.')

    def watch_measures(self, iteration, measures, expected, plateau, best):
        """Look for copies, sameness and a plateau in one measurement and those before it.

        Args:
          iteration: when it was measured.
          measures: dict, of `metrics.measure`.
          expected: dict, the measures that pictures as good as real ones would have.
          plateau: Plateau.
          best: the best checkpoint, which copies less, and the command that makes roses with it, in words; '' where
            there is none.
        Returns:
          list of sentences, mostly empty.
        """
        variety = measures['Quality/Diversity'] / max(expected['Quality/Diversity'], 1e-6)
        self._measured.append((iteration, measures['Quality/Copies'], variety))
        while len(self._measured) > 1 and self._measured[1][0] <= iteration - PERSISTENT:
            self._measured.popleft()  # the oldest one kept is the last that is old enough, if any is
        iterations, copies, varieties = zip(*self._measured, strict=True)
        persistent = iterations[0] <= iteration - PERSISTENT
        copying = persistent and min(copies) > COPIES_ALLOWED and copies[-1] >= copies[0]
        alike = persistent and max(varieties) < VARIETY_WANTED and variety <= varieties[0]
        floor = expected.get('Quality/Distance')
        real = '' if floor is None else f'; real pictures: below {floor:.0f}'
        return [*self._advise(
            'copying', copying, copies[-1] <= COPIES_ALLOWED,
            f'{copies[-1]:.0%} of the generated pictures are near copies of real ones, and no longer fewer: '
            f'training longer will not make new ones. Train anew {self._anew}'
            + (f'; or stop here and make roses with the best checkpoint, {best}' if best else '.')
        ), *self._advise(
            'variety', alike, variety >= VARIETY_WANTED,
            f'The generated pictures are only {variety:.0%} as varied as the real ones, and not more varied than '
            f'at iteration {iterations[0]}: the generator makes few kinds of picture, whatever z is. '
            f'Train anew with a lower LEARNING_RATE, or {self._remedy}.'
        ), *self._advise(
            'plateau', plateau.lasts, not plateau.lasts,
            f'Since iteration {plateau.better.iteration} the generated pictures have come no nearer to the real ones, '
            f'by more than chance (Quality/Distance {round(measures["Quality/Distance"])} ± '
            f'{measures["Quality/Standard_Error"]:.0f}{real}). Training longer will hardly make them better.'
            + (f' Make roses with the best checkpoint, {best}' if best else ''))]

    def _advise(self, name, holds, gone, sentence):
        """List of the sentence where its cause holds and it was not yet given; an empty one otherwise."""
        if gone:
            self._given.discard(name)
        if not holds or name in self._given:
            return []
        self._given.add(name)
        return [sentence]
