"""Compression by calibration: what it promises, on a small network that was trained."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxcomp
from jaxcomp.compression import Moments, in_order
from jaxcomp.compression.calibration import Fidelity
from jaxcomp.data import digits
from jaxcomp.quantize.scalar import ternary_levels


def apply(params, images):
    x = images.reshape(len(images), -1)
    for name, layer in params.items():
        x = (x if name == "in" else jax.nn.relu(x)) @ layer["kernel"] + layer["bias"][None]
    return x


@pytest.fixture(scope="module")
def trained():
    """A dense network, 64-40-10, and its calibration."""
    rng = np.random.default_rng(0)
    sizes = {"in": (64, 40), "out": (40, 10)}
    params = {
        name: {
            "kernel": jnp.asarray(rng.normal(size=size) / np.sqrt(size[0]), jnp.float32),
            "bias": jnp.zeros(size[1]),
        }
        for name, size in sizes.items()
    }
    split = digits(seed=0).train

    @jax.jit
    def step(params, images, labels):
        def loss(params):
            logits = apply(params, images)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        return jax.tree.map(lambda w, slope: w - 0.3 * slope, params, jax.grad(loss)(params))

    for _ in range(600):
        at = rng.integers(0, len(split.inputs), 64)
        params = step(params, split.inputs[at], split.labels[at])
    batches = list(np.asarray(split.inputs[:1024]).reshape(8, 128, 8, 8))
    return jax.tree.map(np.asarray, params), batches


@pytest.fixture(scope="module")
def calibration(trained):
    return jaxcomp.Calibration(apply, trained[1])


@pytest.fixture(scope="module")
def moments(trained, calibration, tmp_path_factory):
    path = tmp_path_factory.mktemp("moments") / "moments.npz"
    jaxcomp.save_moments(path, trained[0], calibration)
    return path


def test_less_than_half_of_the_bytes_at_the_divergence_that_was_asked_for(
    trained, calibration, tmp_path
):
    params, _ = trained
    path = tmp_path / "a.jxc"
    done = jaxcomp.compress(params, path, calibration=calibration, max_kl=0.02)
    found = done.calibrated
    loaded = jaxcomp.load(path)
    assert path.stat().st_size == done.file_bytes
    np.testing.assert_allclose(Fidelity(calibration, params)(loaded), found.lost, rtol=1e-3)
    assert found.lost <= 0.02
    assert found.is_calibrated
    assert done.file_bytes < 0.55 * found.data_free_bytes


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


def test_moments_of_a_file_do_nearly_as_well(trained, calibration, moments, tmp_path):
    params, _ = trained
    path = tmp_path / "a.jxc"
    done = jaxcomp.compress(params, path, calibration=Moments(moments), max_kl=0.02)
    assert done.calibrated.how == "predicted from the moments"
    assert done.file_bytes < 0.7 * done.calibrated.data_free_bytes
    # The prediction is rough, and of the right size.
    assert 0.005 < Fidelity(calibration, params)(jaxcomp.load(path)) < 0.08


def test_biases_make_up_for_means(trained, moments, tmp_path):
    """Without the names of biases outputs are off in the mean."""
    params, batches = trained
    arrays = dict(np.load(moments))
    without = {name: array for name, array in arrays.items() if not name.endswith(":bias")}
    np.savez(tmp_path / "without.npz", **without)
    images = np.concatenate(batches)
    means = []
    for path in (moments, tmp_path / "without.npz"):
        jaxcomp.compress(params, tmp_path / "a.jxc", calibration=Moments(path), trade=3e-4)
        x = images.reshape(len(images), -1)
        layer = jaxcomp.load(tmp_path / "a.jxc")["in"]
        change = x @ (layer["kernel"] - params["in"]["kernel"])
        means.append(np.abs((change + layer["bias"] - params["in"]["bias"]).mean(axis=0)).mean())
    assert means[0] < 0.2 * means[1]


def changed(moments, tmp_path, **arrays):
    every = dict(np.load(moments)) | {name.replace("__", ":"): a for name, a in arrays.items()}
    np.savez(tmp_path / "changed.npz", **every)
    return tmp_path / "changed.npz"


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("in/kernel:second", np.full((64, 64), np.nan), "in/kernel:second has values that are not"),
        ("in/kernel:second", np.eye(40), r"in/kernel:second has shape \(40, 40\), and the"),
        ("in/kernel:second", -np.eye(64), "squares have no negative mean"),
        ("other/kernel:second", np.eye(64), "there are moments of 'other/kernel', and the"),
        ("in/kernel:bias", np.array("lost"), "name 'lost' as its bias, and there is no such array"),
        ("in/kernel:first", np.eye(64), "has an array 'in/kernel:first': its arrays are called"),
        ("in/kernel:outputs", np.array([2]), "has no outputs on the axes"),
        ("in/kernel:groups", np.array(0), "'in/kernel' cannot have 0 groups"),
        ("in/kernel:sensitivities", -np.ones((1, 40)), "kernel:sensitivities has -1, and squares"),
        ("in/kernel:mean", np.full((1, 64), 99.0), "the moments of 'in/kernel' are those of no"),
    ],
)
def test_moments_that_cannot_be_right_are_named(trained, moments, tmp_path, name, array, message):
    path = changed(moments, tmp_path, **{name: array})
    with pytest.raises(ValueError, match=message):
        jaxcomp.compress(trained[0], tmp_path / "a.jxc", calibration=Moments(path), max_kl=0.1)
    assert not (tmp_path / "a.jxc").exists()


def test_diagonals_where_matrices_do_not_fit(trained, calibration, tmp_path):
    params, _ = trained
    jaxcomp.save_moments(tmp_path / "m.npz", params, calibration, diagonal=True)
    arrays = np.load(tmp_path / "m.npz")
    assert arrays["in/kernel:diagonal"].shape == (1, 64)
    assert arrays["in/kernel:sensitivities"].shape == (1, 40)
    done = jaxcomp.compress(
        params, tmp_path / "a.jxc", calibration=Moments(tmp_path / "m.npz"), max_kl=0.02
    )
    assert done.file_bytes <= done.calibrated.data_free_bytes


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
    for name, apply in (
        ("alone", lambda p, t: jnp.tanh(p["table"][t].sum(axis=1)) @ p["out"]),
        ("tied", lambda p, t: jnp.tanh(p["table"][t].sum(axis=1)) @ p["table"].T),
    ):
        params = {"table": table} | ({"out": table[:5].T.copy()} if name == "alone" else {})
        calibration = jaxcomp.Calibration(apply, tokens)
        done = jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, max_kl=0.02)
        assert done.calibrated.is_calibrated
        assert not done.calibrated.not_calibrated
        if name == "alone":
            loaded = jaxcomp.load(tmp_path / "a.jxc")["table"]
            assert (loaded[15:] == 0).mean() > 1.5 * (loaded[:15] == 0).mean()


def test_damaged_files_of_moments_are_named(trained, moments, tmp_path):
    path = tmp_path / "damaged.npz"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"damaged\.npz is no \.npz file of moments"):
        Moments(path)
    data = bytearray(moments.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged: Bad CRC-32"):
        jaxcomp.compress(trained[0], tmp_path / "a.jxc", calibration=Moments(path), max_kl=0.1)


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


def test_weights_of_few_values(trained, calibration, moments, tmp_path):
    """Also with moments of a file; and less is lost than by the nearest values."""
    params, _ = trained
    for values, most in ((3, 1.5), (5, 0.5)):
        for source in (calibration, Moments(moments)):
            done = jaxcomp.compress(
                params, tmp_path / "a.jxc", calibration=source, trade=1e-7, values=values
            )
            loaded = jaxcomp.load(tmp_path / "a.jxc")
            assert done.calibrated.is_calibrated
            for layer in loaded.values():
                found = np.unique(layer["kernel"])
                assert len(found) <= values
                if values == 3:
                    np.testing.assert_array_equal(found, -found[::-1])
            lost = Fidelity(calibration, params)(loaded)
            assert lost < most
    alone = {
        name: {"kernel": ternary_levels(layer["kernel"]).values(), "bias": layer["bias"]}
        for name, layer in params.items()
    }
    jaxcomp.compress(params, tmp_path / "a.jxc", calibration=calibration, trade=1e-7, values=3)
    lost = Fidelity(calibration, params)(jaxcomp.load(tmp_path / "a.jxc"))
    assert lost < 0.5 * Fidelity(calibration, params)(alone)


@pytest.mark.slow
def test_training_afterwards_makes_files_smaller(trained, calibration, tmp_path):
    params, _ = trained
    sizes = {}
    for steps in (0, 200):
        done = jaxcomp.compress(
            params, tmp_path / "a.jxc", calibration=calibration, max_kl=0.05, tune=steps
        )
        loaded = jaxcomp.load(tmp_path / "a.jxc")
        np.testing.assert_allclose(
            Fidelity(calibration, params)(loaded), done.calibrated.lost, rtol=1e-3
        )
        assert done.calibrated.lost <= 0.05
        sizes[steps] = done.file_bytes
    assert sizes[200] < sizes[0]


@pytest.mark.parametrize("values", [None, 3, 6])
def test_what_training_changes(trained, calibration, tmp_path, values):
    """Codebooks and biases, not levels; and what is lost becomes less."""
    params, _ = trained
    both = []
    for steps in (0, 100):
        done = jaxcomp.compress(
            params,
            tmp_path / "a.jxc",
            calibration=calibration,
            trade=3e-5,
            values=values,
            tune=steps,
        )
        levels = jaxcomp.codec.read(tmp_path / "a.jxc")
        both.append((done.calibrated.lost, levels))
    (before, first), (after, second) = both
    assert after < before
    for name, (levels, codebook) in first.items():
        if "kernel" in name:
            np.testing.assert_array_equal(levels, second[name][0])
            assert (codebook != second[name][1]).any()


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
