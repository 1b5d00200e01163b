@_exported public import Catalog
@_exported public import Checks
@_exported public import Engine
@_exported public import Experiments
@_exported public import Optimization
@_exported public import Reporting
@_exported public import Storage
