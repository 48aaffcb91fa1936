import numpy as np
from scipy.stats import multivariate_normal

from trackbench.core.gaussians import Gaussians


def test_densities_are_those_of_scipy():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(4, 3))
    root = rng.normal(size=(4, 3, 3))
    cov = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(3)
    values = rng.normal(size=(7, 3))
    wanted = np.stack(
        [multivariate_normal(mean[k], cov[k]).logpdf(values) for k in range(4)], axis=1
    )
    model = Gaussians.of(mean, cov)
    np.testing.assert_allclose(model.log_density(values), wanted, atol=1e-9)
    off = values[0] - mean[1]
    np.testing.assert_allclose(model.mahalanobis(values)[0, 1], off @ np.linalg.inv(cov[1]) @ off)
