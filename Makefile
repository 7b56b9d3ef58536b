# `make test` and `make demo` each do all their own set-up on Debian or Ubuntu with Go.
# `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s

# The tests start Postfix and mount small file systems, which only root may do. The
# programs are built as you and run by sudo.
ifneq ($(shell id -u),0)
AS_ROOT := -exec 'sudo -E env "PATH=$(PATH)"'
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: demo
demo: build ## run the gateway with a sandbox provider, three mailboxes and a CRM; Ctrl-C ends it
	./bin/heliograph demo

# The console's pages. Files and folders, so that a file that is gone is noticed, too.
UI := internal/console/ui
UI_SOURCES := $(shell find $(UI)/src $(UI)/public $(UI)/scripts -not -path '$(UI)/src/api/gen*') $(addprefix $(UI)/,index.html package.json vite.config.ts)

.PHONY: ui
ui: $(UI)/dist/app/index.html ## build the console's pages, which the program embeds

$(UI)/node_modules/.package-lock.json: $(UI)/package-lock.json $(UI)/.npmrc
	@.ci/deps pages
	cd $(UI) && npm ci --no-progress
	touch $@

$(UI)/dist/app/index.html: $(UI)/node_modules/.package-lock.json $(UI_SOURCES)
	cd $(UI) && npm run --silent build
	touch $@

.PHONY: build
build: ui ## build bin/heliograph, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/heliograph ./cmd/heliograph

# SQLite is C that was translated to Go. To have the race detector look at each of its accesses to memory takes
# half of the time of the tests that store something, and tells nothing of our code: what calls it, and
# its driver, are watched as everything else.
UNWATCHED := modernc.org/sqlite/lib modernc.org/libc modernc.org/libc/... modernc.org/memory
RACE := -race $(foreach p,$(UNWATCHED),-gcflags=$(p)=-race=false)

# A program with the race detector sleeps for a second before it ends, for what its other goroutines might still do.
# The tests look themselves that none are left.
export GORACE ?= atexit_sleep_ms=50

.PHONY: test
test: deps ui ## install what the tests need, then run them all
	go vet ./...
	go test $(RACE) -vet=off -shuffle=on -timeout 20m $(AS_ROOT) $$(go list ./... | grep -v /console/ui)
	go test $(RACE) -vet=off -shuffle=on -timeout 30m $(AS_ROOT) ./$(UI)/... # the browser has the machine for itself

.PHONY: lint
lint: $(GOLANGCI) ## run the linters
	$(GOLANGCI) config verify
	$(GOLANGCI) run ./...

.PHONY: bench
bench: ## measure the gateway against its references, then the hot paths
	go run ./cmd/heliograph bench
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
	  done; \
	done

.PHONY: deps
deps: ## install the servers and mail programs that the tests talk to
	@.ci/deps

# Built from source, so that it is made with the Go that it checks.
$(GOLANGCI):
	mkdir -p .cache/bin
	GOBIN=$(CURDIR)/.cache/bin/install go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .cache/bin/install/golangci-lint $@
