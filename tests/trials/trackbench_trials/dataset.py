"""Clouds with known truth: a jittered template, in any number and for several animals."""

import numpy as np
from pydantic import Field

from trackbench import Case, Dataset, DatasetConfig, PointCloud, Protocol, Published, Truth, Volume

N_POINTS = 12


class TrialConfig(DatasetConfig):
    n_cases: int = Field(default=6, ge=1, le=1_000_000, description="number of cases")
    n_animals: int = Field(default=3, ge=1, le=1000, description="number of animals")
    noise_um: float = Field(default=2.0, ge=0, le=100, description="jitter of the tests in µm")
    oracle: bool = Field(default=False, description="mark the inputs as made with the names")


class TrialDataset(Dataset):
    """Jittered copies of a template."""

    name = "trial"
    Config = TrialConfig

    def protocols(self):
        published = (Published("somebody", "m_pair", 0.5, "a paper"),)
        return (
            Protocol("trial-pairs", "one template", "m_pair", ("test", "validation"), published),
            Protocol("trial-images", "one template, with images", "m_test"),
            Protocol("trial-several", "three templates", "m_test"),
        )

    def cases(self, protocol, split, data_dir):
        rng = np.random.default_rng(5)
        points = rng.uniform(0, 30, (N_POINTS, 3)).round(3)
        names = (*[f"N{i}" for i in range(N_POINTS - 2)], "", "ONLY-TEMPLATE")
        truth = Truth((*names[:-1], "ONLY-TEST"))
        templates = [PointCloud(points, names=names, id="template", animal="template")]
        if protocol == "trial-several":
            templates += [PointCloud(points + k, names=names, id=f"t{k}") for k in (1, 2)]
        for i in range(self.config.n_cases):
            noise = rng.normal(0, self.config.noise_um, points.shape)
            animal = f"worm-{i % self.config.n_animals}"
            test = PointCloud(points + noise, id=f"test-{i}", animal=animal)
            yield Case(
                id=f"{i:06d}",
                templates=tuple(templates),
                test=test,
                truth=truth,
                animal=animal,
                split=split,
                protocol=protocol,
                volume=_volume(test) if protocol == "trial-images" else None,
                oracle=self.config.oracle,
                group=f"lab-{i % 2}",
            )

    def expected_cases(self, protocol, split):
        return 1000


def _volume(test):
    """Give an 'image' that simply lists the coordinates: (1, n, 3, 1)."""
    data = test.zyx_um.astype(np.float32)[None, :, :, None]
    return Volume(data, (1.0, 1.0, 1.0), id=test.id)
