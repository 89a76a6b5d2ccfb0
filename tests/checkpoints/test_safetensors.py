"""`.safetensors` files."""

import numpy as np
import safetensors
from safetensors.numpy import save_file

from jaxcomp.checkpoints import open_checkpoint, read_checkpoint, write_checkpoint


def test_metadata_of_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"w": np.ones(2)}, path, {"format": "pt", "": "ä"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"format": "pt", "": "ä"}
    write_checkpoint(path, [(("w",), np.ones(2))], {"format": "np"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {"format": "np"}
    write_checkpoint(path, [(("w",), np.ones(2))])
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.metadata == {}


def test_the_bytes_of_a_safetensors_header_are_read_once(tmp_path, monkeypatch):
    arrays = [((f"layer.{i}",), np.full(2, i, np.float32)) for i in range(200)]
    write_checkpoint(tmp_path / "w.safetensors", arrays)
    opened, safe_open = [], safetensors.safe_open

    def counted(*arguments, **options):
        opened.append(arguments)
        return safe_open(*arguments, **options)

    monkeypatch.setattr(safetensors, "safe_open", counted)
    loaded = read_checkpoint(tmp_path / "w.safetensors")
    assert len(opened) == 1
    assert all((loaded[name] == array).all() for (name,), array in arrays)
