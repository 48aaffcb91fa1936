"""The ganglion of a neuron, found by its class."""

import pytest

from trackbench.datasets.locate import DATA_VARIABLE
from trackbench.datasets.readers.ganglia import ganglion_of, known_ganglia, read_ganglia
from trackbench.errors import InputError, MissingDataError

TABLE = """\
,neuron_class,ganglion
0,AVA,Lateral
1,CEPD,Dorsal
2,VB2,Retro
3,AVL,Ventral
4,RMED,Anterior
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "wormnd").mkdir()
    (tmp_path / "wormnd" / "neuron_ganglia.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("neuron", "ganglion"),
    [
        ("AVAL", "Lateral"),
        ("AVAR", "Lateral"),
        ("AVA", "Lateral"),
        ("CEPDL", "Dorsal"),
        ("CEPVL", None),
        ("VB2", "Retro"),
        ("VB02", "Retro"),
        ("AVL", "Ventral"),
        ("RMED", "Anterior"),
        ("17", None),
        ("", None),
    ],
)
def test_a_neuron_belongs_to_the_ganglion_of_its_class(folder, neuron, ganglion):
    assert ganglion_of(neuron, read_ganglia(folder / "wormnd")) == ganglion


def test_where_there_is_no_table_nothing_is_known(tmp_path, monkeypatch):
    (tmp_path / "wormnd").mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert known_ganglia() == {}


def test_a_named_folder_must_be_there(tmp_path):
    with pytest.raises(MissingDataError, match="no such folder"):
        known_ganglia(tmp_path / "nowhere")


def test_a_table_without_its_columns(folder):
    (folder / "wormnd" / "neuron_ganglia.csv").write_text("neuron,where\nAVA,Lateral\n")
    with pytest.raises(InputError, match="no column neuron_class"):
        known_ganglia(folder)


@pytest.mark.real_data
def test_the_real_table(real_data):
    table = known_ganglia(real_data)
    assert ganglion_of("AIAL", table) == "Ventral Ganglion"
    assert ganglion_of("AVG", table) == "Retro Vesicular Ganglion"
    assert len(set(table.values())) == 7
