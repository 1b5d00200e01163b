/// The checks of a rule by its iterates; a new one needs this line and no other.
public let conditionChecks: [any TrialCheck] =
  Condition.allCases.map { FixedPointCheck($0) }
  + Condition.allCases.map { ConvergenceCheck($0) }
  + Condition.allCases.map { StructureCheck($0) }
  + [ProximalDescentCheck()]
