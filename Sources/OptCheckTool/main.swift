print("optcheck")
