import MyRules
import OptCheckCommands

await OptCheckCommand.main(rules: [HeavyBall(), LearnedStep()], problems: [LogisticRegression()])
