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

.PHONY: build
build: ## build bin/heliograph, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/heliograph ./cmd/heliograph

.PHONY: test
test: deps ## install what the tests need, then run them all
	go vet ./...
	go test -race -shuffle=on -timeout 20m $(AS_ROOT) ./...

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
