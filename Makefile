# make report and make test need a Swift toolchain and nothing else: the rest is installed (NO_INSTALL=1: is not).
# ARGS goes to the command line, as in: make report ARGS=--quiet

.DEFAULT_GOAL := help
.PHONY: help report test example bench lint format clean install

optcheck := .build/release/optcheck
example := --package-path Fixtures/ExamplePackage --scratch-path .build/example

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

report: install ## build, run, and write Reports/
	swift build -c release --product optcheck
	$(optcheck) report $(ARGS)

test: install ## lint, build, and run all tests
	@$(MAKE) --no-print-directory lint
	swift build
	swift test
	@$(MAKE) --no-print-directory example

example: install ## build, run, and test a package of a user's own
	swift build $(example) --build-tests
	.build/example/debug/myopt list
	.build/example/debug/myopt replay Fixtures/ExamplePackage/Cases
	.build/example/debug/myopt verify learned-step --quiet --out .build/example/reports
	.build/example/debug/myopt verify biased-descent --quiet --out .build/example/reports; test $$? = 1
	swift test $(example) --skip-build

bench: install ## build and measure speed and memory
	swift build -c release --product optcheck
	$(optcheck) bench $(ARGS)

lint: ## check the layout of the code
	swift format lint --strict --recursive --parallel Package.swift Sources Tests Properties Fixtures/ExamplePackage

format: ## mend the layout of the code
	swift format --in-place --recursive --parallel Package.swift Sources Tests Properties Fixtures/ExamplePackage

clean: ## remove what was built; reports and results stay
	swift package clean

install:
	@.ci/install
