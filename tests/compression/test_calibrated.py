"""Compression by calibration: what it promises, on a small network that was trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcomp
from jaxcomp.compression import Moments, candidates, in_order
from jaxcomp.compression.calibration import Fidelity
from tests.compression.network import apply


def test_less_than_half_of_the_bytes_at_the_divergence_that_was_asked_for(
    trained, calibration, tmp_path
):
    params, _ = trained
    path = tmp_path / "a.jxc"
    trials = {}
    done = jaxcomp.compress(
        params, path, calibration=calibration, max_kl=0.02, on_trial=trials.__setitem__
    )
    found = done.calibrated
    assert trials[found.trade] == found.lost
    assert all(lost > 0.02 for trade, lost in trials.items() if trade > found.trade)
    loaded = jaxcomp.load(path)
    assert path.stat().st_size == done.file_bytes
    np.testing.assert_allclose(Fidelity(calibration, params)(loaded), found.lost, rtol=1e-3)
    assert found.lost <= 0.02
    assert found.is_calibrated
    assert done.file_bytes < 0.55 * found.data_free_bytes


def test_it_is_compared_with_one_step_for_all_arrays_too(trained, tmp_path, monkeypatch):
    """Which makes the smaller file where an array of small weights hardly matters."""
    params, batches = trained
    idle = np.random.default_rng(0).normal(0, 1e-4, (64, 10)).astype(np.float32)

    def with_idle(params, images):
        own = {name: params[name] for name in ("in", "out")}
        return apply(own, images) + images.reshape(len(images), -1) @ params["idle"]

    calibration = jaxcomp.Calibration(with_idle, batches)
    sizes = []
    for shares in (candidates._RIVAL_STEPS, ()):
        monkeypatch.setattr(candidates, "_RIVAL_STEPS", shares)
        done = jaxcomp.compress(
            params | {"idle": idle}, tmp_path / "a.jxc", calibration=calibration, trade=1e-6
        )
        sizes.append(done.calibrated.data_free_bytes)
    assert sizes[0] < 0.9 * sizes[1]


@pytest.mark.slow
def test_a_file_of_the_size_that_was_asked_for(trained, calibration, tmp_path):
    params, _ = trained
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, size=900)
    assert 700 < done.file_bytes <= 900
    with pytest.raises(ValueError, match="no file of 10 bytes was found"):
        jaxcomp.compress(params, tmp_path / "b.jxc", calibration=calibration, size=10)
    assert not (tmp_path / "b.jxc").exists()


def test_the_same_bytes_again(trained, tmp_path):
    params, batches = trained
    for name in ("a.jxc", "b.jxc"):
        again = jaxcomp.Calibration(apply, batches)
        jaxcomp.compress(params, tmp_path / name, calibration=again, trade=1e-6)
    assert (tmp_path / "a.jxc").read_bytes() == (tmp_path / "b.jxc").read_bytes()


@pytest.mark.slow
def test_a_loss_of_ones_own(trained, tmp_path):
    params, batches = trained

    def loss(outputs, targets):
        return jnp.square(outputs - targets).mean(axis=-1)

    rng = np.random.default_rng(1)
    targets = [np.asarray(apply(params, batch)) + rng.normal(size=(128, 10)) for batch in batches]
    judged = jaxcomp.Calibration(apply, batches, loss=loss, targets=targets)
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=judged, max_loss=0.05)
    fidelity = Fidelity(judged, params)
    np.testing.assert_allclose(fidelity(jaxcomp.load(tmp_path / "a.jxc")), done.calibrated.lost)
    assert done.calibrated.lost <= 0.05


def test_inputs_that_are_never_lit_are_free_and_zeros_stay(trained, tmp_path):
    params, batches = trained
    params = jax.tree.map(np.copy, params)
    params["in"]["kernel"][:10] = 0
    done = jaxcomp.compress(
        params, tmp_path / "a.jxc", calibration=jaxcomp.Calibration(apply, batches), trade=1e-6
    )
    kernel = jaxcomp.load(tmp_path / "a.jxc")["in"]["kernel"]
    assert np.isfinite(kernel).all()
    dark = np.concatenate(batches).reshape(-1, 64).max(axis=0) == 0
    assert dark.any()
    assert np.mean(kernel[dark] == 0) > 0.8
    assert np.mean(kernel[10:][~dark[10:]] == 0) < 0.8
    assert not kernel[:10].any()
    assert done.calibrated.lost < 0.1


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_parameters_of_16_bits(trained, tmp_path, dtype):
    params, batches = trained
    params = jax.tree.map(lambda w: np.asarray(w, dtype), params)

    def in_float32(params, images):
        return apply(jax.tree.map(lambda w: w.astype(jnp.float32), params), images)

    calibration = jaxcomp.Calibration(in_float32, batches)
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, trade=1e-6)
    loaded = jaxcomp.load(tmp_path / "a.jxc")
    assert loaded["in"]["kernel"].dtype == dtype
    np.testing.assert_allclose(
        Fidelity(calibration, params)(loaded), done.calibrated.lost, rtol=1e-3
    )
    assert done.calibrated.lost < 0.1


def test_one_example(trained, tmp_path):
    params, batches = trained
    one = jaxcomp.Calibration(apply, [batches[0][:1]])
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=one, trade=1e-6)
    assert done.calibrated.how == "on the calibration batch"
    assert np.isfinite(jaxcomp.load(tmp_path / "a.jxc")["out"]["kernel"]).all()


def test_the_order_of_examples_does_not_matter(trained, tmp_path):
    params, batches = trained
    sizes = []
    for order in (slice(None), slice(None, None, -1)):
        turned = jaxcomp.Calibration(apply, [batch[order] for batch in batches])
        # Labels are drawn in order, so it is the moments alone that are compared.
        jaxcomp.save_moments(tmp_path / "m.npz", params, turned)
        sizes.append(dict(np.load(tmp_path / "m.npz")))
    for name in ("in/kernel:second", "out/kernel:second", "in/kernel:mean"):
        np.testing.assert_allclose(sizes[0][name], sizes[1][name], rtol=1e-5, atol=1e-6)


def test_a_layer_too_wide_for_a_matrix_has_a_diagonal(trained, calibration, tmp_path, monkeypatch):
    monkeypatch.setattr(in_order, "MOST_BYTES", 5 * 8 * 50**2)  # of 64 and of 40 inputs
    done = jaxcomp.compress(trained[0], tmp_path / "a.jxc", calibration=calibration, max_kl=0.02)
    assert done.calibrated.diagonal == ("in/kernel",)
    assert done.calibrated.is_calibrated
    assert done.file_bytes < 0.6 * done.calibrated.data_free_bytes


def test_rows_of_a_table_by_how_often_they_are_looked_up(tmp_path):
    """Also where the table is the last layer too."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(30, 8)).astype(np.float32)
    tokens = [rng.integers(0, 15, (64, 3)) for _ in range(4)]  # the others never occur
    for name, run in (
        ("alone", lambda p, t: jnp.tanh(p["table"][t].sum(axis=1)) @ p["out"]),
        ("tied", lambda p, t: jnp.tanh(p["table"][t].sum(axis=1)) @ p["table"].T),
    ):
        params = {"table": table} | ({"out": table[:5].T.copy()} if name == "alone" else {})
        calibration = jaxcomp.Calibration(run, tokens)
        done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, max_kl=0.02)
        assert done.calibrated.is_calibrated
        assert not done.calibrated.not_calibrated
        if name == "alone":
            loaded = jaxcomp.load(tmp_path / "a.jxc")["table"]
            assert (loaded[15:] == 0).mean() > 2 * (loaded[:15] == 0).mean()


def test_arrays_that_are_not_of_the_network_stay_what_they_are(tmp_path):
    rng = np.random.default_rng(0)
    params = {
        "params": {
            "in": {"kernel": rng.normal(size=(8, 6)).astype(np.float32)},
            "out": {"kernel": rng.normal(size=(6, 4)).astype(np.float32)},
        },
        "batch_stats": {"mean": np.ones((1, 6), np.float32)},
    }

    def run(p, x):
        x = jax.nn.relu(x @ p["params"]["in"]["kernel"] - p["batch_stats"]["mean"])
        return x @ p["params"]["out"]["kernel"]

    batches = [1 + rng.normal(size=(32, 8)).astype(np.float32) for _ in range(4)]
    calibration = jaxcomp.Calibration(run, iter(batches))
    done = jaxcomp.compress(
        params, tmp_path / "a.jxc", calibration=calibration, trade=1e-5, keep_state=True
    )
    assert done.calibrated.is_calibrated
    loaded = jaxcomp.load(tmp_path / "a.jxc")
    assert loaded["batch_stats"]["mean"].tolist() == [[1.0] * 6]
    # The same by a file of moments, of which one layer is left out.
    jaxcomp.save_moments(tmp_path / "m.npz", params, calibration)
    jaxcomp.compress(
        params,
        tmp_path / "a.jxc",
        calibration=Moments(tmp_path / "m.npz"),
        trade=1e-5,
        keep_state=True,
        exclude="out",
    )
    loaded = jaxcomp.load(tmp_path / "a.jxc")
    np.testing.assert_array_equal(
        loaded["params"]["out"]["kernel"], params["params"]["out"]["kernel"]
    )
    assert len(np.unique(loaded["params"]["in"]["kernel"])) < 48


def test_inputs_that_are_all_zero_tables_of_integers_and_matrices_that_meet_nothing(tmp_path):
    rng = np.random.default_rng(0)
    params = {
        "half": rng.normal(size=(8, 4)).astype(np.float16),
        "ids": rng.integers(0, 9, (5, 8)).astype(np.int32),
        "stack": rng.normal(size=(2, 8, 4)).astype(np.float32),
    }

    def run(p, tokens):
        x = p["ids"][tokens].astype(jnp.float32)
        return x @ p["stack"][0] + ((0 * x).astype(jnp.float16) @ p["half"]).astype(x.dtype)

    batches = [rng.integers(0, 5, 32) for _ in range(4)]
    calibration = jaxcomp.Calibration(run, batches)
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, trade=1e-7)
    loaded = jaxcomp.load(tmp_path / "a.jxc")
    assert not loaded["half"].any()
    np.testing.assert_array_equal(loaded["ids"], params["ids"])
    assert done.calibrated.lost < 0.1


def test_classes_that_are_masked(trained, tmp_path):
    params, batches = trained
    mask = np.where(np.arange(10) == 3, -np.inf, 0.0).astype(np.float32)[None]
    calibration = jaxcomp.Calibration(lambda p, x: apply(p, x) + mask, batches)
    done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, trade=1e-6)
    assert 0 < done.calibrated.lost < 0.1


def test_goals_that_do_not_fit_are_named(trained, calibration, tmp_path):
    params, batches = trained

    def attempt(**options):
        jaxcomp.compress(params, tmp_path / "a.jxc", **options)

    with pytest.raises(ValueError, match="give one of max_kl, max_loss, size, trade, got none"):
        attempt(calibration=calibration)
    with pytest.raises(ValueError, match="got max_kl, size"):
        attempt(calibration=calibration, max_kl=0.1, size=1000)
    with pytest.raises(ValueError, match="which has no loss of its own: give max_kl"):
        attempt(calibration=calibration, max_loss=0.1)
    with pytest.raises(ValueError, match="max_kl must be positive and finite, got -1"):
        attempt(calibration=calibration, max_kl=-1)
    with pytest.raises(ValueError, match="are found by trying: give a calibration"):
        attempt(max_kl=0.1)
    with pytest.raises(ValueError, match="chooses zeros and steps by itself"):
        attempt(calibration=calibration, max_kl=0.1, sparsity=0.5)
    with pytest.raises(ValueError, match="values must be from 3 to 256, got 2"):
        attempt(calibration=calibration, max_kl=0.1, values=2)
    with pytest.raises(TypeError, match="tune must be a number of steps, at least 0, and an int"):
        attempt(calibration=calibration, max_kl=0.1, tune=1.5)
    with pytest.raises(ValueError, match="values and tune go with a calibration"):
        attempt(tune=100)
    with pytest.raises(ValueError, match="there are no batches to calibrate with"):
        jaxcomp.Calibration(apply, [])
    with pytest.raises(ValueError, match="there are 8 batches and 2 targets"):
        jaxcomp.Calibration(apply, batches, loss=lambda y, t: y, targets=batches[:2])


def test_outputs_that_are_no_logits_are_an_error(trained, tmp_path):
    params, batches = trained
    for wrong in (
        lambda p, x: (apply(p, x), x),
        lambda p, x: apply(p, x).argmax(axis=-1),
        lambda p, x: apply(p, x).sum(),
        lambda p, x: apply(p, x)[:, :1],  # one class is certain, whatever the weights
        lambda p, x: None,
    ):
        calibration = jaxcomp.Calibration(wrong, batches)
        with pytest.raises(TypeError, match="without a loss `apply` has to return logits"):
            jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, max_kl=0.1)


def test_weights_that_are_not_finite_are_named(trained, calibration, tmp_path):
    params = jax.tree.map(np.copy, trained[0])
    params["out"]["kernel"][0, 0] = np.nan
    with pytest.raises(ValueError, match="'out/kernel' has values that are not finite"):
        jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, max_kl=0.1)


@pytest.mark.parametrize("source", [(np.ones((2, 3)),), "model.npz"])
def test_other_trees_than_dicts_are_refused_with_the_remedy(tmp_path, source):
    with pytest.raises(TypeError, match=rf"got a {type(source).__name__}: `jaxcomp.trees.named_le"):
        jaxcomp.compress(source, tmp_path / "a.jxc")
    assert not (tmp_path / "a.jxc").exists()
