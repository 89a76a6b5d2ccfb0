"""Compression by moments that a file holds."""

import numpy as np
import pytest

import jaxcomp
from jaxcomp.compression import Moments
from jaxcomp.compression.calibration import Fidelity


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
