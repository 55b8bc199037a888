"""Advice on series that were recorded: no line without cause, none for what passes."""

from types import SimpleNamespace

import pytest

from gans_n_roses.quality.advice import PERSISTENT, WINDOW, Adviser
from gans_n_roses.quality.plateau import Plateau
from gans_n_roses.runs.state import NOT_YET, Better

# The probability that the discriminator gave the right answer, on average over a batch's 12 real and 12 generated
# pictures (SEED 1): a is 0, y is 1. 2,000 iterations on 67 photographs, every tenth.
AS_IN_THE_ARTICLE = (
    'xpwxqusopnwtuwswwsvuwuuwuxxxwxuxwvysvwwwuxuvuxuxwwxwxwxwwxxxxxwuxywyxwxvxyxyxxxxxxxxxyuxxxxxxxxyywyy'
    'yyvyyyyyxyyxyvytvyxxyxuwyyxyxyxyxyyyxyyyyyyyxyyyyxxywyxyxxyyyyxyxyywyywxyyyxyyqvxwyyyyyxyyyyyyyyyyxy')
WITH_ALL_REMEDIES = (
    'ssqpolqqtqrutswrtsrprvspwstqnrsnrlpsqqqqomooqqopqqqqosqmronsnpsnqoosrsknkqprspnpoqorrsomnmnopnomploo'
    'rkqpoonopnlnpmnpppppqooopsjorqooopmonnmlopomnprspqonooqopqqnoornmmqlmnqrqqlmonkonqmomooooqqpopqnlkpp')
# 9,000 iterations on 641 photographs with MIRROR and R1_GAMMA = 1, every 50th: at the end right on 97 %, and learning.
WITH_R1 = (
    'ruxtupvrqpqvrpqoqtqqsprqnprqnqpqopmprrorqpoonqponmsppppnpopqqqqpmnqqooprqqoqpqpsqrqspsrsuurrsustsrps'
    'rqqstrrssstsstruuprpttsussstrssssqsttuusruuuutstttttvqtusutuuututvuuuutvvtuvuttv')
# 40,000 of such a run, means of 400: the distance to the photographs fell for 14,000 and rose again from 23,000 on.
LONG_WITH_R1 = (
    'trrqqppppppqrqrssstttuuuuuvvvvvvwwwwwwwwwwwwwxwxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')
# How varied the generated pictures were, in grey levels, the real ones being at 61: the first 1,000 iterations on the
# 67 roses as in the article, at 16 pixels, every 40th. It is a run that learns.
VARIETY_OF_A_START = (
    12, 12, 14, 13, 29, 40, 50, 54, 57, 57, 57, 63, 64, 65, 65, 64, 65, 65, 63, 63, 61, 60, 60, 62, 61)
GOING_ON = Plateau(NOT_YET, lasts=False)
EXPECTED = {'Quality/Distance': 12.3, 'Quality/Diversity': 64}
OFF = SimpleNamespace(mirror=False, augment='', r1_gamma=0, ema_decay=0, recipe='article')
ON = SimpleNamespace(mirror=True, augment='color,translation,cutout', r1_gamma=1, ema_decay=0.999, recipe='article')


def off_but(**on):
    return SimpleNamespace(**{**vars(OFF), **on})


def told_while_training(series, settings=OFF, every=10):
    """(iteration, sentence) of all advice; each recorded value stands for the iterations up to the next."""
    adviser, told = Adviser(settings), []
    for iteration in range(1, every * len(series) + 1):
        right = (ord(series[(iteration - 1) // every]) - ord('a')) / 24
        scalars = {'D_of_x': right, 'D_of_G_of_z': 1 - right}
        told += [(iteration, sentence) for sentence in adviser.watch_training(scalars)]
    return told


def told_of_measures(copies, diversity, settings=OFF, every=1000, best='best-9: make it'):
    """List of the sentences after each measurement."""
    adviser = Adviser(settings)
    return [told(adviser, every * (k + 1), c, d, best=best)
            for k, (c, d) in enumerate(zip(copies, diversity, strict=True))]


def told(adviser, iteration, copies, diversity, plateau=GOING_ON, best=''):
    measures = {'Quality/Copies': copies, 'Quality/Diversity': diversity, 'Quality/Distance': 19.4,
                'Quality/Standard_Error': 4.7}
    return adviser.watch_measures(iteration, measures, EXPECTED, plateau, best)


def test_overfitting_is_told_once_in_the_articles_run():
    [(iteration, sentence)] = told_while_training(AS_IN_THE_ARTICLE)
    assert WINDOW < iteration <= 1500
    assert 'by heart' in sentence
    assert sentence.endswith("switch on MIRROR = True, AUGMENT = 'translation' and R1_GAMMA = 0.1.")


def test_nothing_is_told_with_all_remedies():
    assert told_while_training(WITH_ALL_REMEDIES, ON) == []


def test_nothing_is_told_while_a_penalized_discriminator_teaches():
    assert told_while_training(WITH_R1, off_but(mirror=True, r1_gamma=1), 50) == []


def test_a_penalized_discriminator_is_told_of_only_when_it_teaches_no_more():
    settings = off_but(mirror=True, r1_gamma=1)
    [(iteration, sentence)] = told_while_training(LONG_WITH_R1, settings, 400)
    assert 14000 < iteration < 23000
    assert sentence.endswith("To change that, switch on AUGMENT = 'translation'.")


def test_a_short_spell_is_no_cause():
    assert told_while_training('y' * (WINDOW // 10 - 5) + 'm' * 100) == []


def test_it_is_told_again_after_it_was_gone():
    assert len(told_while_training('y' * 60 + 'm' * 60 + 'y' * 60)) == 2


def test_only_what_is_off_is_named():
    for on, named in (({'mirror': True}, "AUGMENT = 'translation' and R1_GAMMA = 0.1"),
                      ({'mirror': True, 'augment': 'color'}, 'R1_GAMMA = 0.1')):
        [(_, sentence)] = told_while_training('y' * 60, off_but(**on))
        assert sentence.endswith(f'To change that, switch on {named}.')


def test_no_best_checkpoint_is_named_where_there_is_none():
    nothing, [sentence] = told_of_measures([0.5] * 2, [60] * 2, best='')
    assert nothing == []
    assert 'best' not in sentence and "Train anew with RECIPE = 'auto'." in sentence


def test_a_run_that_has_taken_the_recipe_is_not_told_to_take_it():
    for settings, remedy in ((off_but(recipe='auto'), 'Train anew and switch on MIRROR'),
                             (off_but(**{**vars(ON), 'recipe': 'auto'}), 'Train anew and add pictures')):
        _, [sentence], *_ = told_of_measures([0.2] * 4, [60] * 4, settings)
        assert remedy in sentence and sentence.endswith('; or stop here and make roses with the best checkpoint, '
                                                        'best-9: make it')


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
    assert all('the best checkpoint, best-9: make it' in sentence and f'{copies[k]:.0%}' in sentence
               for k, sentences in enumerate(lines) for sentence in sentences)


@pytest.mark.parametrize(('diversity', 'told'), [
    ([60, 58, 66, 61], []), ([10, 20, 28, 40], []), ([50, 30, 28, 20], [2]), ([60, 20, 50, 60], [])],
    ids=['varied', 'growing', 'collapsing', 'once'])
def test_collapse_is_told_when_it_lasts(diversity, told):
    lines = told_of_measures([0] * 4, diversity)
    assert [k for k, sentences in enumerate(lines) if sentences] == told
    assert all('as varied as the real ones' in sentence for sentences in lines for sentence in sentences)


def test_a_plateau_is_told_once_with_its_figures_and_what_to_load():
    adviser, better = Adviser(OFF), Better(9000, 20, 4)

    def of_plateau(lasts, best='best-9: make it'):
        return told(adviser, 20000, 0, 60, Plateau(better, lasts), best)
    assert of_plateau(False) == []
    [sentence] = of_plateau(True)
    assert 'Since iteration 9000' in sentence and '19 ± 5; real pictures: below 12' in sentence
    assert sentence.endswith('Make roses with the best checkpoint, best-9: make it')
    assert of_plateau(True) == of_plateau(False) == []
    assert of_plateau(True, '')[0].endswith('Training longer will hardly make them better.')


@pytest.mark.parametrize('every', [1, 2, 3])
def test_nothing_is_told_of_how_a_run_begins(every):
    """Nor of where it is cut off: 40 iterations are no pattern, however often they are measured."""
    variety = VARIETY_OF_A_START[every - 1::every]
    assert not any(told_of_measures([0] * len(variety), variety, every=40 * every))


@pytest.mark.parametrize('every', [20, 50, 250, 1000, 3000])
def test_advice_comes_after_as_many_iterations_however_often_is_measured(every):
    count = 2 + PERSISTENT // every
    for copies, diversity in (([0.2] * count, [60] * count), ([0] * count, [20] * count)):
        told = [every * (k + 1) for k, sentences in enumerate(told_of_measures(copies, diversity, every=every))
                if sentences]
        assert told == [every + max(PERSISTENT, every)]  # from the first measurement on


def test_one_better_measurement_ends_the_pattern():
    copies = [0.2] * 30
    copies[7] = 0.05
    told = told_of_measures(copies, [60] * 30, every=100)
    assert [k for k, sentences in enumerate(told) if sentences] == [8 + PERSISTENT // 100]


def test_the_average_of_the_weights_is_no_remedy_of_a_run_that_goes_on():
    [(_, sentence)] = told_while_training('y' * 60, off_but(mirror=True, augment='color', r1_gamma=1))
    assert 'EMA_DECAY' not in sentence and 'add pictures' in sentence
