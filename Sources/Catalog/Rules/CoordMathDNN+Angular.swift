import Engine
import Optimization

typealias AngularObjective = DenseObjective<LeastSquares>
