"""Every format gives the same volumes, read one at a time; what can't be used is one line."""

import h5py
import numpy as np
import pytest

from trackbench.datasets.recordings import open_recording
from trackbench.errors import InputError, UsageError

PITCH = (1.5, 0.4, 0.4)  # of the conftest's recordings


def _points(volumes=5, neurons=3):
    table = np.random.default_rng(1).uniform(0, 4, (volumes, neurons + 1, 3)).astype(np.float32)
    table[:, 0] = np.nan
    return table


def _same(recording, images):
    assert len(recording) == len(images)
    for t, wanted in enumerate(images):
        volume = recording.volume(t)
        np.testing.assert_array_equal(volume.data, wanted)
        assert volume.channels == ("red", "green")
        assert tuple(volume.voxel_um) == PITCH


def test_hdf5(write_hdf5, images):
    with open_recording(write_hdf5(volumes_per_s=6.0)) as recording:
        _same(recording, images)
        assert recording.times_s.tolist() == [t / 6 for t in range(5)]
        assert recording.volume(3).time_s == 0.5
        assert recording.points(0) is None


def test_array_folder(write_arrays, images):
    recording = open_recording(write_arrays(), voxel_um=PITCH)
    _same(recording, images)
    assert recording.header.numbers == (1, 2, 3, 4, 5)
    assert recording.times_s is None


@pytest.mark.parametrize("options", [{"imagej": True}, {"metadata": {"axes": "ZCYX"}}])
def test_tiff_folder(write_tiffs, images, options):
    _same(open_recording(write_tiffs(**options), voxel_um=PITCH), images)


@pytest.mark.parametrize("options", [{"imagej": True}, {"compression": "zlib", "imagej": False}])
def test_tiff_with_a_time_axis(tmp_path, images, options):
    tifffile = pytest.importorskip("tifffile")
    metadata = {"axes": "TZCYX"}
    data = np.moveaxis(images, 1, 2)
    tifffile.imwrite(tmp_path / "movie.tif", data, metadata=metadata, **options)
    _same(open_recording(tmp_path / "movie.tif", voxel_um=PITCH), images)


def test_the_pitch_of_an_imagej_tiff_is_read(write_tiffs):
    folder = write_tiffs(
        imagej=True, resolution=(2.5, 2.5), metadata={"unit": "um", "spacing": 1.5}
    )
    assert open_recording(folder).header.voxel_um == pytest.approx(PITCH)


def test_one_channel_without_a_channel_axis(write_arrays, images):
    recording = open_recording(write_arrays(images[:, 0]), voxel_um=PITCH)
    np.testing.assert_array_equal(recording.volume(2).data, images[2, :1])
    assert recording.header.channels == ("red",)


def test_axes_as_the_user_names_them(write_arrays, images):
    folder = write_arrays(np.transpose(images, (0, 2, 4, 3, 1)))
    _same(open_recording(folder, voxel_um=PITCH, axes="zxyc"), images)


def test_points_of_hdf5_are_in_um_and_named_by_number(write_hdf5):
    table = _points()
    table[2, 2] = np.nan
    table[3] = np.nan
    with open_recording(write_hdf5(points=table)) as recording:
        cloud = recording.points(2)
        assert cloud.names == ("1", "3")
        np.testing.assert_allclose(cloud.zyx_um, table[2, [1, 3], ::-1] * PITCH, rtol=1e-6)
        assert recording.points(3) is None
        assert recording.header.has_points


def test_names_of_the_neurons_and_true_calcium(write_hdf5):
    path = write_hdf5(points=_points(), names=["AVAL", "AVAR", "RID"])
    with h5py.File(path, "r+") as file:
        file["truth/calcium"] = np.arange(15.0).reshape(5, 3)
    with open_recording(path) as recording:
        assert recording.points(0).names == ("AVAL", "AVAR", "RID")
        names, calcium = recording.calcium()
        assert names == ("AVAL", "AVAR", "RID")
        assert calcium[4].tolist() == [12, 13, 14]
    with h5py.File(path, "r+") as file:
        del file["truth/calcium"]
        file["truth/calcium"] = np.zeros((5, 2))
    with open_recording(path) as recording, pytest.raises(InputError, match="truth/calcium"):
        recording.calcium()


@pytest.mark.parametrize("names", [["AVAL"], ["AVAL", "AVAL", "RID"], ["AVAL", "", "RID"], None])
def test_neurons_whose_names_dont_fit_are_numbered(write_hdf5, names):
    with open_recording(write_hdf5(points=_points(), names=names)) as recording:
        assert recording.points(0).names == ("1", "2", "3")
        assert recording.calcium() is None


def test_point_folder_of_csv(tmp_path):
    for number in (3, 10, 11):
        (tmp_path / f"worm-{number}.csv").write_text(f"z,y,x,name\n1,2,{number},AVAL\n")
    (tmp_path / "worm-11.csv").write_text("z,y,x,name\n")
    (tmp_path / "worms.png").write_bytes(b"a picture is not a volume")
    recording = open_recording(tmp_path)
    assert recording.header.numbers == (3, 10, 11)
    assert recording.points(1).zyx_um.tolist() == [[1, 2, 10]]
    assert recording.points(recording.index(11)) is None
    assert recording.volume(0) is None
    with pytest.raises(UsageError, match=r"no frame 4.*numbered 3 to 11"):
        recording.index(4)


def test_point_folder_of_fdnc(tmp_path):
    for t in range(3):
        np.save(tmp_path / f"real_{t + 7}.npy", np.array([[0.1, 0.2, 0.3, 4.0]]))
    np.save(tmp_path / "real_8.npy", np.zeros((0, 4)))
    recording = open_recording(tmp_path)
    assert recording.points(0).names == ("4",)
    assert recording.points(1) is None


def test_files_of_equal_numbers_are_counted(tmp_path, images):
    for name in ("a_1.npy", "b_1.npy"):
        np.save(tmp_path / name, images[0])
    assert open_recording(tmp_path, voxel_um=PITCH).header.numbers == (0, 1)


def test_an_empty_volume_in_the_middle_is_none(write_hdf5, write_arrays, images):
    blank = images.copy()
    blank[2] = 0
    assert open_recording(write_arrays(blank), voxel_um=PITCH).volume(2) is None
    with open_recording(write_hdf5(data=blank)) as recording:
        assert recording.volume(2) is None
        assert recording.volume(3) is not None
    with open_recording(write_hdf5(name="gap.h5", skip=(2,))) as recording:
        assert recording.volume(2) is None
        assert len(recording) == 5


def test_nan_voxels_name_the_frame(write_arrays, images):
    bad = images.astype(np.float32)
    bad[3, 0, 0, 0, 0] = np.nan
    recording = open_recording(write_arrays(bad), voxel_um=PITCH)
    assert recording.volume(2) is not None
    with pytest.raises(InputError, match="frame 4 holds NaN"):
        recording.volume(3)


def test_truncated_hdf5(write_hdf5):
    path = write_hdf5()
    whole = path.read_bytes()
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"worm\.h5.*truncated"):
            open_recording(path)


def test_a_damaged_chunk_costs_one_volume(write_hdf5):
    path = write_hdf5()
    with h5py.File(path) as file:
        chunk = file["2/frame"].id.get_chunk_info(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(raw)
    with open_recording(path) as recording:
        assert recording.volume(1) is not None
        with pytest.raises(InputError, match=r"2/frame.*damaged"):
            recording.volume(2)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_truncated_tiff(write_tiffs, share):
    folder = write_tiffs(metadata={"axes": "ZCYX"})
    path = folder / "t002.tif"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"t002\.tif"):
        open_recording(folder, voxel_um=PITCH).volume(2)


def test_truncated_array(write_arrays):
    folder = write_arrays()
    path = folder / "volume_3.npy"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"volume_3\.npy.*truncated"):
        open_recording(folder, voxel_um=PITCH)


def test_volumes_of_changing_shape(write_hdf5, write_arrays, write_tiffs, images):
    changing = [*images[:3], images[3][:, :, :-1]]
    with pytest.raises(InputError, match=r"3/frame has shape \(2, 12, 8, 4\).*one shape"):
        open_recording(write_hdf5(data=changing))
    with pytest.raises(InputError, match=r"volume_4\.npy.*one shape"):
        open_recording(write_arrays(changing), voxel_um=PITCH)
    with pytest.raises(InputError, match=r"t003\.tif.*one shape"):
        open_recording(write_tiffs(changing, metadata={"axes": "ZCYX"}), voxel_um=PITCH)


def test_a_wrong_axis_order_is_told(write_hdf5, write_arrays, images):
    with pytest.raises(InputError, match="attributes C, W, H, D say"):
        open_recording(write_hdf5(W=9, H=12))
    swapped = np.transpose(images, (0, 1, 4, 3, 2))
    with pytest.raises(InputError, match=r"z would be the longest axis.*--axes"):
        open_recording(write_arrays(swapped), voxel_um=PITCH)
    with pytest.raises(InputError, match="12 channels"):
        open_recording(write_arrays(np.transpose(images, (0, 4, 2, 3, 1))), voxel_um=PITCH)
    with pytest.raises(UsageError, match="zzyx"):
        open_recording(write_arrays(), voxel_um=PITCH, axes="zzyx")


def test_a_pitch_is_asked_for(write_hdf5, write_arrays, write_tiffs):
    for path in (write_hdf5(voxel_um=None), write_arrays(), write_tiffs(imagej=True)):
        with pytest.raises(InputError, match="--voxel-um"):
            open_recording(path)


@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        (np.zeros((5, 3)), "malformed"),
        (np.zeros((5, 4, 3)), "column 0"),
        (_points(volumes=9), "9 rows for 5 frames"),
    ],
)
def test_malformed_pointdat(write_hdf5, points, complaint):
    with pytest.raises(InputError, match=complaint):
        open_recording(write_hdf5(points=points))


def test_what_is_no_recording(tmp_path, write_hdf5):
    with pytest.raises(InputError, match="no such file"):
        open_recording(tmp_path / "absent.h5")
    with pytest.raises(InputError, match="no volumes in it"):
        open_recording(tmp_path)
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises(InputError, match="unknown kind"):
        open_recording(tmp_path / "notes.docx")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(InputError, match="can't be read as HDF5"):
        open_recording(tmp_path / "text.h5")
    with pytest.raises(InputError, match="no frames"):
        open_recording(write_hdf5(name="bare.h5", skip=range(5)))
    with pytest.raises(InputError, match="of 4000000000 frames"):
        open_recording(write_hdf5(name="huge.h5", T=4_000_000_000))
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.csv").write_text("z,y,x\n1,2,3\n")
    np.save(folder / "a.npy", np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"\.csv and \.npy"):
        open_recording(folder)
