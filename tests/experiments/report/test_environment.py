"""What numbers were made with."""

import jax

from experiments.report.environment import environment


def test_the_number_of_devices_is_said_where_there_are_several():
    assert environment()["device"] == f"cpu: {jax.devices()[0].device_kind} x 8"
