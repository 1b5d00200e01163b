import numpy as np
d = np.load("CoordBlackboxLSTM-FP1.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.sum(np.where(abs(M @ x - y) <= 1.0, (M @ x - y) ** 2 / 2, 1.0 * (abs(M @ x - y) - 1.0 / 2)))
gradient = lambda x: M.T @ np.clip(M @ x - y, -1.0, 1.0)
subgradient = lambda x: gradient(x)
prox = lambda v, s: v
x = x0
for k in range(1, 3 + 1):
    if k == 3: x = x_star
    x = x - s * gradient(x)  # put your rule here; this is gradient descent
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
