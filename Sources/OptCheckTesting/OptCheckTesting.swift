// What a test of a rule needs, with one import.
@_exported import OptCheck
