"""Student's distribution, as far as intervals need it."""

import math


def student(freedom):
    """How many standard errors a 95 % interval of so many degrees of freedom reaches to each side: the density of Student's
    t added up from 0 to where 47.5 % are below."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    reach, area, step = 0.0, 0.0, 1e-4
    while area < 0.475:
        area += step * scale * (1 + (reach + step / 2) ** 2 / freedom) ** (-(freedom + 1) / 2)
        reach += step
    return reach
