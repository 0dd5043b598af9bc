"""Maximum likelihood of the two-factor model on a panel: several starts, standard errors, and whether it converged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from plantation_rwa.valuation.kalman import Filtered, Panel, kalman_filter
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

FloatArray = NDArray[np.float64]

#: order of the parameters in every vector; the measurement errors follow
PARAMETERS = ("kappa", "sigma_chi", "sigma_xi", "rho", "lambda_chi", "mu_xi", "mu_xi_star")
_POSITIVE = ("kappa", "sigma_chi", "sigma_xi")
#: kappa and rho of the starts; the volatilities and premia start where the caller says
_STARTS = ((None, None), (0.4, 0.0), (0.8, 0.5), (2.0, -0.3), (4.0, 0.3))
#: half a step in a transformed parameter for gradients, and a step for curvatures
_GRADIENT, _CURVATURE = 1e-4, 1e-3
#: the starts climb on every n-th day
_EVERY = 5
#: starts whose likelihoods differ by less than this found the same top
_SAME_TOP = 1e-3


@dataclass(frozen=True)
class Estimate:
    """Maximum of the likelihood.

    Parameters
    ----------
    model
        The parameters there.
    errors
        Standard deviation of each group's measurement error, log price.
    std_errors
        Of ``PARAMETERS`` and then of the measurement errors, from the observed information by the delta method; NaN
        where the likelihood has no curvature in the parameter.
    filtered
        State at the panel's last day and the log-likelihood.
    converged
        Whether the gradient vanishes and the likelihood curves down in every direction.
    starts, agreeing
        Starts tried, and how many of them came to this top.
    """

    model: SchwartzSmith
    errors: FloatArray
    std_errors: FloatArray
    filtered: Filtered
    converged: bool
    starts: int
    agreeing: int

    def std_error(self, name: str) -> float:
        """Standard error of a model parameter."""
        return float(self.std_errors[PARAMETERS.index(name)])


def maximise(panel: Panel, start: SchwartzSmith, *, error_start: float, error_floor: float) -> Estimate:
    """Fit the model to a panel.

    Scale parameters are searched on their logarithm and the correlation on its inverse hyperbolic tangent. Several
    starts, the same in every run, climb the likelihood of every fifth day; from the best of them the climb goes on
    with all days and ends in Newton steps, so that the result depends on the panel and not on where a search gave
    up.

    Parameters
    ----------
    start
        Where the search begins, usually the prior.
    error_start, error_floor
        First guess and least value of the measurement errors, log price; the least value keeps settlements that
        are rounded to whole units from counting as exact.
    """
    view, coarse = _View(panel, error_floor), _View(panel.thinned(_EVERY), error_floor)
    tops = [_climb(coarse, coarse.vector(_started(start, *s), error_start)) for s in _STARTS]
    heights = [coarse.height(top) for top in tops]
    best = int(np.argmax(heights))
    top, gradient, curvature = _polish(view, _climb(view, tops[best]))
    free = _identified(curvature)
    covariance = np.full(curvature.shape, np.nan)
    concave = False
    if free.any():
        information = -curvature[np.ix_(free, free)]
        concave = bool(np.linalg.eigvalsh(information).min() > 0)
        if concave:
            inverse = np.linalg.inv(information)
            covariance[np.ix_(free, free)] = inverse
            # what is left of the gradient, in standard errors
            still = math.sqrt(max(float(gradient[free] @ inverse @ gradient[free]), 0.0))
            concave = still < 1e-3
    model, errors = view.model(top), view.errors(top)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * view.slopes(top)
    return Estimate(
        model=model,
        errors=errors,
        std_errors=np.where(np.isnan(np.diag(covariance)), np.nan, spread),
        filtered=kalman_filter(model, errors, panel),
        converged=concave and bool(free[: len(PARAMETERS)].all()),
        starts=len(_STARTS),
        agreeing=sum(heights[best] - h < _SAME_TOP for h in heights),
    )


class _View:
    """The likelihood as a function of the transformed parameters."""

    def __init__(self, panel: Panel, floor: float) -> None:
        self._panel, self._floor = panel, floor

    def vector(self, model: SchwartzSmith, error: float) -> FloatArray:
        """Transformed parameters of a model and one measurement error for all groups."""
        values = [getattr(model, n) for n in PARAMETERS]
        moved = [math.log(v) if n in _POSITIVE else v for n, v in zip(PARAMETERS, values, strict=True)]
        moved[3] = math.atanh(model.rho)
        extra = 0.5 * math.log(max(error**2 - self._floor**2, 1e-12))
        return np.array([*moved, *([extra] * self._panel.error_groups)])

    def model(self, vector: FloatArray) -> SchwartzSmith:
        """Model of a vector."""
        values = [float(v) for v in vector[: len(PARAMETERS)]]
        plain = [math.exp(v) if n in _POSITIVE else v for n, v in zip(PARAMETERS, values, strict=True)]
        plain[3] = math.tanh(values[3])
        return SchwartzSmith(**dict(zip(PARAMETERS, plain, strict=True)))

    def errors(self, vector: FloatArray) -> FloatArray:
        """Measurement errors of a vector."""
        return np.asarray(np.sqrt(self._floor**2 + np.exp(2.0 * vector[len(PARAMETERS) :])))

    def slopes(self, vector: FloatArray) -> FloatArray:
        """Derivative of each plain parameter by its transformed one."""
        model = self.model(vector)
        inner = [getattr(model, n) if n in _POSITIVE else 1.0 for n in PARAMETERS]
        inner[3] = 1.0 - model.rho**2
        extra = np.exp(2.0 * vector[len(PARAMETERS) :])
        return np.array([*inner, *(extra / self.errors(vector))])

    def height(self, vector: FloatArray) -> float:
        """Log-likelihood; minus infinity where it cannot be computed."""
        try:
            found = kalman_filter(self.model(vector), self.errors(vector), self._panel).log_likelihood
        except (OverflowError, ValueError, ZeroDivisionError):
            return -math.inf
        return found if math.isfinite(found) else -math.inf

    def gradient(self, vector: FloatArray, step: float = _GRADIENT) -> FloatArray:
        """Central differences."""
        out = np.empty(vector.size)
        for i in range(vector.size):
            out[i] = (self.height(_moved(vector, i, step)) - self.height(_moved(vector, i, -step))) / (2.0 * step)
        return out

    def curvature(self, vector: FloatArray, step: float = _CURVATURE) -> FloatArray:
        """Matrix of second derivatives by central differences."""
        n, here = vector.size, self.height(vector)
        out = np.empty((n, n))
        for i in range(n):
            up, down = self.height(_moved(vector, i, step)), self.height(_moved(vector, i, -step))
            out[i, i] = (up - 2.0 * here + down) / step**2
        for i in range(n):
            for j in range(i):
                corners = [
                    a * b * self.height(_moved(_moved(vector, i, a * step), j, b * step))
                    for a in (1.0, -1.0)
                    for b in (1.0, -1.0)
                ]
                out[i, j] = out[j, i] = math.fsum(corners) / (4.0 * step**2)
        return out


def _moved(vector: FloatArray, index: int, step: float) -> FloatArray:
    out = vector.copy()
    out[index] += step
    return out


def _started(model: SchwartzSmith, kappa: float | None, rho: float | None) -> SchwartzSmith:
    return model if kappa is None or rho is None else replace(model, kappa=kappa, rho=rho)


def _climb(view: _View, vector: FloatArray) -> FloatArray:
    """Quasi-Newton search for a top of the likelihood from one start."""

    def depth(v: FloatArray) -> float:
        height = view.height(v)
        return -height if math.isfinite(height) else 1e12

    found = minimize(
        depth,
        vector,
        jac=lambda v: np.nan_to_num(-view.gradient(v), nan=0.0, posinf=1e12, neginf=-1e12),
        method="L-BFGS-B",
        bounds=_bounds(vector.size),
        options={"maxiter": 500, "maxfun": 2000, "ftol": 1e-12, "gtol": 1e-6},
    )
    return np.asarray(found.x)


def _bounds(size: int) -> Sequence[tuple[float, float]]:
    """Wide limits of the transformed parameters, so that no search runs into overflow."""
    near = [
        (math.log(1e-3), math.log(50.0)),
        (-9.0, 2.0),
        (-9.0, 2.0),
        (-4.0, 4.0),
        (-5.0, 5.0),
        (-5.0, 5.0),
        (-5.0, 5.0),
    ]
    return near + [(-14.0, 0.0)] * (size - len(near))


def _polish(view: _View, vector: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Newton steps to the exact top; the last gradient and curvature with it."""
    gradient, curvature = view.gradient(vector), view.curvature(vector)
    for _ in range(8):
        free = _identified(curvature)
        if not free.any():
            break
        step = np.zeros(vector.size)
        information = -curvature[np.ix_(free, free)]
        if np.linalg.eigvalsh(information).min() <= 0:
            break
        step[free] = np.linalg.solve(information, gradient[free])
        if np.abs(step).max() > 0.5 or view.height(vector + step) < view.height(vector) - 1e-6:
            break
        vector = vector + step
        gradient = view.gradient(vector)
        if np.abs(step).max() < 1e-6:
            break
        curvature = view.curvature(vector)
    return vector, gradient, curvature


def _identified(curvature: FloatArray) -> NDArray[np.bool_]:
    """Parameters that the likelihood curves in; a measurement error at its least value has none."""
    found = np.isfinite(curvature).all(axis=1) & (np.diag(curvature) < -1e-3)
    return np.asarray(found)
