import numpy as np
d = np.load("CoordMathLSTM-coordmathlstm-pba12-lasso-small-0243b7e5-GC1.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.sum((M @ x - y) ** 2) / 2
gradient = lambda x: M.T @ (M @ x - y)
subgradient = lambda x: gradient(x)
prox = lambda v, s: v
x = x0
for k in range(1, 8 + 1):
    x = x - s * gradient(x)  # put your rule here; this is gradient descent
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
