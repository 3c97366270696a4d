"""Proposals depend on the earlier trials and the seed only."""

from tuning_support import make_trial

from textclf.config.search_space import Choices, Range
from textclf.tuning.proposals import propose

SPACE = {
    "a.float": Range(0.1234567, 0.9876543),
    "a.log": Range(1e-5, 1e-1, log=True),
    "a.step": Range(0.0, 1.0, step=0.125),
    "a.integer": Range(2, 9),
    "a.choice": Choices((None, True, "x", 0.5)),
}


def make_trials(n):
    """Return trials with values that were proposed for them, and metrics that depend on them."""
    trials = []
    for number in range(n):
        [params] = propose(SPACE, trials, [number], seed=1, direction="maximize").values()
        trials.append(make_trial(number, params["a.float"], params=params))
    return trials


def test_proposals_are_the_same_in_another_process_and_differ_by_number_and_seed():
    trials = make_trials(14)
    first = propose(SPACE, trials, [14, 15, 16], seed=1, direction="maximize")
    assert [*first] == [14, 15, 16]
    assert propose(SPACE, trials, [14, 15, 16], seed=1, direction="maximize") == first
    assert first[14] != first[15] != first[16]
    assert propose(SPACE, trials, [14, 15, 16], seed=2, direction="maximize") != first
    assert propose(SPACE, trials[:-4], [14], seed=1, direction="maximize") != {14: first[14]}
    # The rest of a batch does not depend on what else is asked for later.
    assert propose(SPACE, trials, [14], seed=1, direction="maximize") == {14: first[14]}


def test_the_first_proposals_are_random_and_depend_on_their_number_only():
    proposals = propose(SPACE, [], [1, 2, 3], seed=1, direction="maximize")
    assert len({params["a.float"] for params in proposals.values()}) == 3
    assert propose(SPACE, [], [3], seed=1, direction="maximize") == {3: proposals[3]}
    assert propose(SPACE, make_trials(9), [3], seed=1, direction="minimize") == {3: proposals[3]}


def test_values_are_in_the_space_and_have_four_digits():
    for trial in make_trials(30):
        values = trial.params
        assert [*values] == [*SPACE]
        assert 0.1234567 <= values["a.float"] <= 0.9876543
        short = float(f"{values['a.float']:.4g}")
        assert values["a.float"] in {short, 0.1234567, 0.9876543}
        assert values["a.log"] == float(f"{values['a.log']:.4g}")
        assert (values["a.step"] / 0.125).is_integer()
        assert isinstance(values["a.integer"], int)
        assert 2 <= values["a.integer"] <= 9
        assert values["a.choice"] in {None, True, "x", 0.5}


def test_the_search_learns_what_is_better():
    trials = make_trials(40)
    early = sum(trial.params["a.float"] for trial in trials[:10]) / 10
    late = sum(trial.params["a.float"] for trial in trials[-10:]) / 10
    assert late > early + 0.15


def test_trials_with_values_outside_of_the_space_are_not_learned_from():
    trials = make_trials(14)
    outside = make_trial(0, 9.0, params={**trials[0].params, "a.integer": 100})
    expected = propose(SPACE, trials[1:], [14], seed=1, direction="maximize")
    found = propose(SPACE, [outside, *trials[1:]], [14], seed=1, direction="maximize")
    assert found == expected
