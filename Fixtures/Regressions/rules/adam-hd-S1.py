import numpy as np
d = np.load("adam-hd-S1.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.sum((M @ x - y) ** 2) / 2
gradient = lambda x: M.T @ (M @ x - y)
subgradient = lambda x: gradient(x)
prox = lambda v, s: v
x = x0; m, v, u, a = 0, 0, 0, 0.001
for k in range(1, 1 + 1):
    g = subgradient(x); a = max(a - 1e-07 * np.sum(g * u), 1e-8) if k > 1 else a
    m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g * g
    u = -(m / (1 - 0.9 ** k)) / ((v / (1 - 0.999 ** k)) ** 0.5 + 1e-08); x = x + a * u  # the rule: put yours here
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
