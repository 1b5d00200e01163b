import numpy as np
d = np.load("CoordBlackboxLSTM-FP3.npz")
M, y, x0, x_star, rho, s = (d[k] for k in ("M", "y", "x0", "x_star", "rho", "step"))
f = lambda x: np.mean(np.logaddexp(0, M @ x) - y * (M @ x))
gradient = lambda x: M.T @ (1 / (1 + np.exp(-(M @ x))) - y) / len(y)
subgradient = lambda x: gradient(x) + rho * np.sign(x)
prox = lambda v, s: np.sign(v) * np.maximum(abs(v) - rho * s, 0)
x = x0
for k in range(1, 4 + 1):
    if k == 4: x = x_star
    x = x - s * gradient(x)  # put your rule here; this is gradient descent
print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))
