import OptCheckCommands

await OptCheckCommand.main()
