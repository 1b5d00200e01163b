import numpy as np
d = np.load("RNNprop-GC2.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: 0
gradient = lambda x: 0 * x
subgradient = lambda x: gradient(x) + rho * np.sign(x)
prox = lambda v, s: np.sign(v) * np.maximum(abs(v) - rho * s, 0)
x = x0
for k in range(1, 575 + 1):
    x = x - s * gradient(x)  # put your rule here; this is gradient descent
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
