import numpy as np
d = np.load("gradient-descent-2.1-GC1.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.sum((M @ x - y) ** 2) / 2
gradient = lambda x: M.T @ (M @ x - y)
subgradient = lambda x: gradient(x)
prox = lambda v, s: v
x = x0
for k in range(1, 25 + 1):
    x = x - 2.1 * s * gradient(x)  # the rule: put yours here
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
