"""Advice on series that were recorded: no line without cause, none for what passes."""

from types import SimpleNamespace

import pytest

from gans_n_roses.advice import COPIES_ALLOWED, WINDOW, Adviser

# 2,000 iterations on 67 photographs (SEED 1), every tenth: how many of 24 pictures, 12 real and 12 generated, the
# discriminator was right on; a is none, y is all.
AS_IN_THE_ARTICLE = (
    'xpxypxtmpmyvwxsyysvwxxvyvxyyyyvyxyyswxxyvyuwuywyyyyyyxxxxyyxyxwwyyxyyxywxyyyxyyyyyyyyyvyxxyyyyxyyxyy'
    'yyvyyyyyyyyyyxytwyyyyyuwyyyyyyyyyyyyxyyyyyyyyyyyyxxywyyyyyyyyyxyyyywyyyyyyyyyypwyxyyyyyyyyyyyyyyyyyy')
WITH_ALL_REMEDIES = (
    'surrpkrsvpsuvtyrxtrrrwuqxttomtwoslsussqqomqmrsqqrrsspvtkwpovltwmtoowuwkmjurtxqorrtrtvuojnlnqtmoppnrq'
    'vhtqonrsqnlntmorsrprqorqtyepuotqnrmroopjprrmorwystpmqstsqvtnqttnmlwklotwrtkinoirqslrnomsrttuosrqmjpo')
OFF = SimpleNamespace(mirror=False, augment='')
ON = SimpleNamespace(mirror=True, augment='color,translation,cutout')


def told_while_training(series, settings=OFF):
    """(iteration, sentence) of all advice; each recorded value stands for ten iterations."""
    adviser, told = Adviser(settings), []
    for iteration in range(1, 10 * len(series) + 1):
        right = (ord(series[(iteration - 1) // 10]) - ord('a')) / 24
        scalars = {'Discriminator_Accuracy_Real': right, 'Discriminator_Accuracy_Fake': right}
        told += [(iteration, sentence) for sentence in adviser.watch_training(scalars)]
    return told


def told_of_measures(copies, diversity, settings=OFF):
    adviser = Adviser(settings)
    return [[sentence for sentence in adviser.watch_measures(
        1000 * (k + 1), {'Copies': c, 'Diversity_Generated': d, 'Diversity_Real': 64}, True)]
        for k, (c, d) in enumerate(zip(copies, diversity, strict=True))]


def test_overfitting_is_told_once_in_the_articles_run():
    [(iteration, sentence)] = told_while_training(AS_IN_THE_ARTICLE)
    assert WINDOW < iteration <= 1500
    assert 'by heart' in sentence and "AUGMENT = 'color,translation,cutout'" in sentence


def test_nothing_is_told_with_all_remedies():
    assert told_while_training(WITH_ALL_REMEDIES, ON) == []


def test_a_short_spell_is_no_cause():
    assert told_while_training('y' * (WINDOW // 10 - 5) + 'm' * 100) == []


def test_it_is_told_again_after_it_was_gone():
    assert len(told_while_training('y' * 60 + 'm' * 60 + 'y' * 60)) == 2


def test_only_what_is_off_is_named():
    [(_, sentence)] = told_while_training('y' * 60, SimpleNamespace(mirror=True, augment=''))
    assert 'switch on AUGMENT' in sentence and 'MIRROR' not in sentence


def test_no_best_checkpoint_is_named_where_there_is_none():
    adviser = Adviser(OFF)
    measures = {'Copies': 0.5, 'Diversity_Generated': 60, 'Diversity_Real': 64}
    assert adviser.watch_measures(1000, measures, False) == []
    [sentence] = adviser.watch_measures(2000, measures, False)
    assert 'CHECKPOINT' not in sentence and 'Train anew and switch on MIRROR' in sentence


def test_nobody_is_told_to_switch_on_what_is_on():
    [(_, sentence)] = told_while_training('y' * 60, ON)
    assert 'AUGMENT' not in sentence and 'add pictures' in sentence


@pytest.mark.parametrize(('copies', 'told'), [
    ([0.0, 0.02, 0.01, 0.03], []), ([0.3, 0.2, 0.05, 0.0], []), ([0.02, 0.12, 0.2, 0.3], [2]),
    ([0.05, 0.2, 0.05, 0.2], []), ([0.2, 0.3, 0.25, 0.3], [1])],
    ids=['none', 'falling', 'rising', 'now and then', 'told once'])
def test_copies_are_told_when_they_last(copies, told):
    lines = told_of_measures(copies, [60] * 4)
    assert [k for k, sentences in enumerate(lines) if sentences] == told
    assert all("CHECKPOINT = 'best'" in sentence and f'{copies[k]:.0%}' in sentence
               for k, sentences in enumerate(lines) for sentence in sentences)
    assert COPIES_ALLOWED == 0.1


@pytest.mark.parametrize(('diversity', 'told'), [
    ([60, 58, 66, 61], []), ([10, 20, 28, 40], []), ([50, 30, 28, 20], [2]), ([60, 20, 50, 60], [])],
    ids=['varied', 'growing', 'collapsing', 'once'])
def test_collapse_is_told_when_it_lasts(diversity, told):
    lines = told_of_measures([0] * 4, diversity)
    assert [k for k, sentences in enumerate(lines) if sentences] == told
    assert all('as varied as the real ones' in sentence for sentences in lines for sentence in sentences)
