# Berth. `make` alone shows what there is.
#
# Needed: Go 1.26 or later, git, make. Everything is built below bin/; nothing is installed anywhere else.

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# The race detector wants a C compiler; without one the tests run without it.
RACE    := $(if $(shell command -v gcc || command -v clang || command -v cc),-race,)
N       ?= 1000
FUZZ    ?= 20s
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
# RETRY=1 runs a test that failed once more (six at most with their parts, and none that raced), and lists those that needed it in dist/flaky: a machine
# that others use too can be so slow that a real client or cluster gives up.
RETRY   ?=
SUM     := $(GO) run gotest.tools/gotestsum@v1.13.0 --format standard-quiet --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
           --rerun-fails-max-failures 6 --rerun-fails=$(RETRY)
# $(call gotest,NAME,FLAGS) runs the tests of the module in this folder.
gotest   = $(if $(RETRY),mkdir -p "$(CURDIR)/dist/flaky" && $(SUM) --rerun-fails-report "$(CURDIR)/dist/flaky/$(1)" --packages ./... -- $(2),$(GO) test $(2) ./...)
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Flags of tests: without debug information, which only a debugger reads, they link sooner.
TEST    := -trimpath -ldflags=-w

.DEFAULT_GOAL := help
.PHONY: help build kube nodes demo dist packages test test-browser check format lint compat compat-write bench crash fuzz cross clean FORCE

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: bin/berth bin/berth-fe kube nodes ## build bin/berth, bin/berth-fe, bin/berth-kube and, on Linux, what runs real nodes

bin/berth: FORCE
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/berth

bin/berth-fe: FORCE
	@mkdir -p bin
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/berth-fe

kube: ## build bin/berth-kube only: Kubernetes itself, about six minutes the first time on two cores
	@mkdir -p bin
	@GO="$(GO)" VERSION="$(VERSION)" sh localkube/build.sh

nodes: ## build bin/berth-nodes and bin/nodes/ only: containerd, BuildKit and others, about three minutes the first time
	@[ "$$($(GO) env GOOS)" != linux ] || GO="$(GO)" VERSION="$(VERSION)" sh localnodes/build.sh

demo: build ## start a control plane and do the main job before your eyes
	@bin/berth demo

dist: ## packages of PLATFORMS below dist/packages; Kubernetes compiles once for each Linux platform that is not this machine's
	@GO="$(GO)" VERSION="$(VERSION)" sh packaging/dist.sh $(PLATFORMS)

packages: ## make the packages of linux/amd64, and test them: install, start, upgrade, remove; the image, the chart, install.sh
	@$(MAKE) -s dist PLATFORMS=linux/amd64
	@cd packaging && BERTH_DIST="$(CURDIR)/dist/packages" $(GO) test $(TEST) -count=1 -timeout 10m .

test: build ## every test of the three modules, on real Kubernetes
	@echo "== tests of the main module $(RACE)"
	@export BERTH_KUBE_BIN="$(CURDIR)/bin/berth-kube" && $(call gotest,main,$(TEST) -vet=off $(RACE) -timeout 30m)
	@echo "== tests of files with Azure's storage library"
	@cd blob/azure/sdk && $(call gotest,sdk,$(TEST) -timeout 5m)
	@echo "== tests of localkube"
	@cd localkube && export BERTH_KUBE_BIN="$(CURDIR)/bin/berth-kube" CGO_ENABLED=0 && $(call gotest,localkube,$(TEST) -timeout 20m)
	@echo "== tests of localnodes"
	@cd localnodes && export CGO_ENABLED=0 && $(call gotest,localnodes,$(TEST) -timeout 10m)

test-browser: build ## the web page in a real browser (Chromium and axe-core; installs what is missing where it may)
	@command -v chromium chromium-browser google-chrome >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends chromium fonts-noto-cjk; }
	@cd browser && npm install --silent --no-fund --no-audit --no-package-lock
	@cd browser && export BERTH_KUBE_BIN="$(CURDIR)/bin/berth-kube" CGO_ENABLED=0 && $(call gotest,browser,$(TEST) -count=1 -timeout 25m)

check: lint format ## the quick loop: format, lint (which vets), and the tests that start no cluster
	@$(GO) test -short . ./catalog/... ./korean/... ./rules/... ./wire/... ./store/... ./blob/... ./identity/... ./client/... ./router/... ./bundle/... ./serving/... ./models/... ./images/... ./cmd/...

format: ## says what gofmt would change
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }

lint: ## golangci-lint, built from source the first time
	@$(GO) run $(LINT) run ./...

compat: build ## the real Azure clients against a real server; installs them below compat/.clients (Python 3.11, Node.js)
	@$(GO) run ./compat $(if $(RETRY),-retry)

compat-write: build ## the same, and write docs/compatibility.md
	@$(GO) run ./compat -write

bench: build ## measure, and print ratios taken in one run
	@$(GO) run ./bench
	@$(GO) run ./compat -times
	@cd browser && BERTH_KUBE_BIN="$(CURDIR)/bin/berth-kube" CGO_ENABLED=0 $(GO) test -trimpath -count=1 -run Paint -v . | grep -E ': [0-9]+ ms'

crash: build ## kill the server N times and see that nothing is lost: make crash N=1000
	@BERTH_KUBE_BIN="$(CURDIR)/bin/berth-kube" BERTH_CRASH_KILLS=$(N) $(GO) test -trimpath -timeout 12h -run TestCrash -v ./app/...

# Twice at most: on a busy machine the fuzzer sometimes misses its own deadline. What it has found is in testdata, and fails again.
fuzz: ## fuzz everything that reads what strangers send, FUZZ=20s each
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do echo "$$p $$f"; \
	  $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) $$p || $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) $$p || exit 1; done; done

cross: ## compile the main module for macOS and Windows too; make packages checks its sources for them in less time
	@GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/berth
	@GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/berth

clean: ## remove bin/
	@rm -rf bin
