"""Our numbers against PyTorch's, by golden file everywhere and live where it is.

`tests/golden/torch_side.py` and `our_side.py` compute both sides of every case from the
same inputs and under the same names.
"""

import numpy as np
import pytest

from tests.golden import draws, expected, our_side, settings


@pytest.fixture(scope="module", params=["golden", "live"])
def reference(request):
    if request.param == "golden":
        return expected.Golden()
    pytest.importorskip("torch")
    return expected.Live()


def agrees(reference, case, *, dtype="float64", within):
    """Whether no array of a case is further off than `within` of its largest value."""
    found = our_side.compute(case, dtype)
    assert reference.arrays(case).keys() == found.keys()
    errors = expected.errors(reference, case, found)
    worst = max(errors, key=errors.__getitem__)
    assert errors[worst] <= within, f"{worst} is off by {errors[worst]:.1e}"


@pytest.mark.parametrize(("dtype", "within"), [("float32", 2e-5), ("float64", 1e-9)])
@pytest.mark.parametrize("name", settings.NETWORKS)
def test_logits_of_every_network_are_pytorchs(reference, name, dtype, within):
    agrees(reference, f"logits {name}", dtype=dtype, within=within)


@pytest.mark.parametrize("name", settings.TRAINED)
def test_three_steps_of_smad_are_pytorchs(reference, name):
    agrees(reference, f"training {name}", within=1e-9)


def test_updates_of_joint_training_are_pytorchs(reference):
    agrees(reference, "joint training", within=1e-9)


@pytest.mark.parametrize("name", settings.ADAPTING)
def test_three_steps_of_a_method_with_unlabelled_videos_are_pytorchs(reference, name):
    agrees(reference, name, within=1e-9)


def test_three_steps_of_sdn_with_two_updates_each_are_pytorchs(reference):
    agrees(reference, "sdn", within=1e-9)


def test_losses_and_their_gradients_are_pytorchs(reference):
    agrees(reference, "losses", within=1e-14)


def test_gradient_reversal_is_pytorchs(reference):
    agrees(reference, "gradient reversal", within=1e-14)


def test_actionness_reweighting_is_pytorchs(reference):
    agrees(reference, "saar", within=1e-13)


def test_clipping_at_and_around_the_limit_is_pytorchs(reference):
    agrees(reference, "clip", within=1e-15)


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("case", ["cosine", "steps"])
def test_learning_rates_of_a_whole_run_are_pytorchs(reference, case, dtype, within):
    agrees(reference, case, dtype=dtype, within=within)


def test_ghost_norm_is_eight_replicas_of_pytorchs(reference):
    agrees(reference, "ghost norm", within=1e-12)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_number_that_is_not_finite_is_no_agreement(wrong):
    pytest.importorskip("torch")
    found = dict(our_side.compute("saar", "float64"))
    last = list(found)[-1]
    found[last] = np.full_like(found[last], wrong)
    errors = expected.errors(expected.Live(), "saar", found)
    assert max(errors.values()) == np.inf


@pytest.mark.parametrize("change", [lambda x: x * (1 + 1e-7), lambda x: x[::-1]])
def test_digest_sees_a_change_of_size_and_of_order(change):
    array = draws.normal("array", (1000,))
    difference = np.abs(draws.digest(change(array)) - draws.digest(array))
    assert difference.max() > 1e-8


def test_golden_file_holds_every_case():
    assert expected.Golden().cases() == set(our_side.CASES)


@pytest.mark.parametrize("case", our_side.CASES)
def test_golden_file_is_what_pytorch_computes_here(case):
    pytest.importorskip("torch")
    now = expected.Live().arrays(case)
    assert expected.Golden().arrays(case).keys() == now.keys()
    errors = expected.errors(expected.Golden(), case, now)
    assert max(errors.values()) <= 1e-11
