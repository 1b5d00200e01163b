import numpy as np
d = np.load("CoordBlackboxLSTM-coordblackboxlstm-lasso-small-840617be-GC3.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.sum((M @ x - y) ** 2) / 2
gradient = lambda x: M.T @ (M @ x - y)
subgradient = lambda x: gradient(x) + rho * np.sign(x)
prox = lambda v, s: np.sign(v) * np.maximum(abs(v) - rho * s, 0)
x = x0
for k in range(1, 7771 + 1):
    x = x - s * gradient(x)  # put your rule here; this is gradient descent
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
