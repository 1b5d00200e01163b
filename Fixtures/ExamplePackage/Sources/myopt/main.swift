import MyRules
import OptCheckCommands

await OptCheckCommand.main(
  rules: [BiasedDescent(), HeavyBall(), LearnedStep()], problems: [LogisticRegression()])
