import numpy as np
import pytest

from trackbench.core.keys import animal_key
from trackbench.core.types import PointCloud
from trackbench.core.weights import load_weights, save_fitted, save_weights
from trackbench.errors import InputError


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "some.safetensors"
    tensors = {"a": np.arange(6.0).reshape(2, 3)}
    save_weights(
        file,
        tensors,
        kind="atlas",
        version=2,
        about={"names": ["X"]},
        trained_on=["k2", "k1", "k1"],
    )
    return file


def test_what_was_written_is_read(path):
    found = load_weights(path, kind="atlas", version=2)
    np.testing.assert_array_equal(found.tensors["a"], np.arange(6.0).reshape(2, 3))
    assert found.about == {"names": ["X"]}
    assert found.trained_on == {"k1", "k2"}


def test_what_was_fitted_says_its_names_and_worms(tmp_path):
    worms = [PointCloud(np.eye(3) * (i + 1), names=("A", "B", "C")) for i in range(2)]
    file = tmp_path / "new" / "atlas.safetensors"
    save_fitted(file, {"a": np.ones(3)}, kind="atlas", version=1, names=["A", "B"], worms=worms)
    found = load_weights(file, kind="atlas", version=1)
    assert found.tensors["a"].dtype == np.float32
    assert found.about == {"names": ["A", "B"], "worms": 2}
    assert found.trained_on == {animal_key(worm.zyx_um) for worm in worms}


def test_tensors_come_back_as_torch_too(path):
    import torch

    found = load_weights(path, kind="atlas", version=2, framework="torch")
    assert torch.equal(found.tensors["a"], torch.arange(6.0, dtype=torch.float64).reshape(2, 3))


def test_torch_tensors_can_be_written(tmp_path):
    import torch

    file = tmp_path / "t.safetensors"
    tensor = torch.arange(4).bfloat16()
    save_weights(file, {"t": tensor}, kind="k", version=1, about={}, trained_on=())
    found = load_weights(file, kind="k", version=1, framework="torch")
    assert torch.equal(found.tensors["t"], tensor)


def test_the_same_content_gives_the_same_file(path, tmp_path):
    again = tmp_path / "again.safetensors"
    tensors = {"a": np.arange(6.0).reshape(2, 3)}
    save_weights(
        again, tensors, kind="atlas", version=2, about={"names": ["X"]}, trained_on=["k1", "k2"]
    )
    assert again.read_bytes() == path.read_bytes()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.safetensors: no such weights file"):
        load_weights(tmp_path / "nowhere.safetensors", kind="atlas", version=1)


@pytest.mark.parametrize("kept", [0, 4, 40, -5])
def test_a_truncated_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_weights(path, kind="atlas", version=2)


def test_weights_of_another_kind_are_refused(path):
    with pytest.raises(InputError, match="weights of atlas, not of identity"):
        load_weights(path, kind="identity", version=2)


def test_a_newer_layout_is_refused(path):
    with pytest.raises(InputError, match="layout version 2, this program knows 1"):
        load_weights(path, kind="atlas", version=1)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(InputError, match="weights of something else"):
        load_weights(tmp_path / "foreign.safetensors", kind="atlas", version=1)
