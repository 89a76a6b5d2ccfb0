"""Weights of few values by calibration, and training afterwards."""

import numpy as np
import pytest

import jaxcomp
from jaxcomp.compression import Moments
from jaxcomp.compression.calibration import Fidelity
from jaxcomp.quantize.scalar import ternary_levels
from tests.compression.network import apply


@pytest.mark.slow
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


def test_few_values_of_weights_that_are_all_zero_or_not_worth_a_bit(trained, calibration, tmp_path):
    params = {name: dict(layer) for name, layer in trained[0].items()}
    params["in"]["kernel"] = np.zeros((64, 40), np.float32)
    own = jaxcomp.Calibration(apply, trained[1])
    for source, network, trade in ((own, params, 1e-7), (calibration, trained[0], 1e3)):
        for values in (3, 6):
            jaxcomp.compress(
                network, tmp_path / "a.jxc", calibration=source, trade=trade, values=values
            )
            assert not jaxcomp.load(tmp_path / "a.jxc")["in"]["kernel"].any()


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


@pytest.mark.parametrize(
    "values", [None, *(pytest.param(values, marks=pytest.mark.slow) for values in (3, 6))]
)
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
