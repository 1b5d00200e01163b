"""CoordMathDNN, the learned rule of the NeurIPS code, in PyTorch: coord_math_dnn.py [WEIGHTS.safetensors | SEED]"""

import json, struct, sys
from optcheck_rule import Rule, serve

try:
    import torch
except ImportError:
    sys.exit("coord_math_dnn.py needs PyTorch, which is not installed: pip install torch")


class Layer(torch.nn.Module):
    def __init__(self, inputs, outputs, scale=1.0):
        super().__init__()
        self.weight = torch.nn.Parameter(scale * torch.randn(inputs, outputs) / inputs**0.5)

    def forward(self, rows):
        return rows @ self.weight


class CoordMathDNN(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dnn = torch.nn.Sequential(Layer(2, 2))
        self.linear = Layer(2, width)
        self.linear_p = Layer(width, 1, scale=0.1)  # Small, not zero: at zero the rule is gradient descent.

    def forward(self, x, gradient, step_size):
        h = torch.relu(self.dnn(torch.stack([gradient, x], dim=1)))
        p = 2 * torch.sigmoid(self.linear_p(torch.relu(self.linear(h))))
        return x - step_size * p[:, 0] * gradient


def read_safetensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()  # of doubles
    read = lambda begin, end: torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float64)
    return {name: read(*e["data_offsets"]).reshape(e["shape"]) for name, e in header.items() if "shape" in e}


class Foreign(Rule):
    name = "coord-math-dnn-pytorch"

    def __init__(self, source="118"):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(int(source) if source.isdigit() else 118)
        weights = {} if source.isdigit() else read_safetensors(source)
        self.network = CoordMathDNN(weights["linear.weight"].shape[1] if weights else 32)
        self.network.load_state_dict(weights or self.network.state_dict())

    def reset(self, problem):
        self.step_size = 1 / problem.smoothness

    @torch.no_grad()
    def step(self, k, x, gradient, oracle, settled):
        return self.network(torch.tensor(x), torch.tensor(gradient), self.step_size)


serve(lambda: Foreign(*sys.argv[1:2]))
