"""Small recordings of every format with the same content."""

import h5py
import numpy as np
import pytest

PITCH = (1.5, 0.4, 0.4)
SHAPE = (5, 2, 4, 9, 12)  # t, c, z, y, x


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).integers(1, 200, SHAPE).astype(np.int16)


@pytest.fixture
def write_hdf5(tmp_path, images):
    def write(name="worm.h5", data=images, skip=(), points=None, **attributes):
        with h5py.File(tmp_path / name, "w") as file:
            for t, volume in enumerate(data):
                if t not in skip:
                    frame = np.transpose(volume, (0, 3, 2, 1))
                    file.create_dataset(f"{t}/frame", data=frame, compression="gzip")
            if points is not None:
                file["pointdat"] = points
            c, z, y, x = data[0].shape
            stated = {"C": c, "W": x, "H": y, "D": z, "T": len(data), "voxel_um": PITCH}
            for key, value in (stated | attributes).items():
                if value is not None:
                    file.attrs[key] = value
        return tmp_path / name

    return write


@pytest.fixture
def write_arrays(tmp_path, images):
    def write(data=images, folder="arrays", stem="volume"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for t, volume in enumerate(data):
            np.save(tmp_path / folder / f"{stem}_{t + 1}.npy", volume)
        return tmp_path / folder

    return write


@pytest.fixture
def write_tiffs(tmp_path, images):
    tifffile = pytest.importorskip("tifffile", reason="install trackbench[images] for TIFF")

    def write(data=images, folder="tiffs", **options):
        (tmp_path / folder).mkdir(exist_ok=True)
        for t, volume in enumerate(data):
            path = tmp_path / folder / f"t{t:03d}.tif"
            tifffile.imwrite(path, np.moveaxis(volume, 0, 1), **options)
        return tmp_path / folder

    return write
