# platctl: `make up` runs it, `make test` tests it, `make help` lists the rest.

# The same flags for build, test and vet: other flags would compile everything a second time.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
DATE   := $(shell git show -s --format=%cI HEAD 2>/dev/null)
STAMP  := github.com/platctl/platctl/internal/base/build
SPEC   := internal/api/openapi
TOOL   := go tool -modfile=$(CURDIR)/tools/go.mod

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: up
up: postgres build ## Build and run the API with a private PostgreSQL and demo data
	@bin/platctl serve --dev

PACKAGES ?= ./...

.PHONY: test
test: postgres redis ## Run every test, on a real PostgreSQL and Redis that the tests start themselves
	go test $(PACKAGES)
	cd xk6-ext && go test ./...
	cd tools/goosetest && go test ./...

.PHONY: test-as-user
test-as-user: postgres ## As root: the tests that start processes, once more as the user nobody
	@tools/test-as-user.sh

.PHONY: postgres
postgres:
	@tools/ensure-postgres.sh

.PHONY: redis
redis:
	@tools/ensure-redis.sh

.PHONY: build
build: ## Build bin/platctl
	go build -ldflags '-s -w -X $(STAMP).Commit=$(COMMIT) -X $(STAMP).Date=$(DATE)' -o bin/platctl ./cmd/platctl

.PHONY: k6
k6: ## Build bin/k6: k6 with our extension, found by platctl beside itself
	cd xk6-ext && go build -ldflags '-s -w' -o ../bin/k6 ./cmd/k6

.PHONY: k6-xk6
k6-xk6: ## Build the same k6 with xk6 itself
	$(TOOL) xk6 build v2.2.0 --with github.com/platctl/platctl/xk6-ext=./xk6-ext -o bin/k6

.PHONY: generate
generate: ## Regenerate what is generated: server and client from the spec, Go from the queries
	@# 429 and 304 are the middleware's answers, the one a client's error like any other, the other only to who asks for it: with
	@# them operations would answer sum types.
	@# A raw response is the server's business; without the mark the client gets the typed answer.
	@mkdir -p bin && sed '/"429":/d; /"304":/d' $(SPEC)/openapi.yaml > bin/openapi-server.yaml
	@sed '/x-ogen-raw-response/d' bin/openapi-server.yaml > bin/openapi-client.yaml
	$(TOOL) ogen --config $(SPEC)/ogen.yaml --target $(SPEC)/oas --package oas --clean bin/openapi-server.yaml
	$(TOOL) ogen --config $(SPEC)/ogen-client.yaml --target $(SPEC)/client --package client --clean bin/openapi-client.yaml
	cd internal/api/postgres && $(TOOL) sqlc generate
	go test ./internal/api/postgres -run TestSQLContract -update

.PHONY: generate-check
generate-check: generate ## Fail when a generated file differs from its source
	git diff --exit-code -- internal/api
	@test -z "$$(git status --porcelain -- internal/api)" || { git status --porcelain -- internal/api; exit 1; }

.PHONY: lint
lint: ## gofmt, go vet and staticcheck: formatting, the compiler's doubts, dead code and misuse
	@bad=$$(gofmt -l cmd internal xk6-ext runbooks configs); test -z "$$bad" || { echo "not gofmt-ed:"; echo "$$bad"; exit 1; }
	go vet ./...
	cd xk6-ext && go vet ./...
	cd tools/goosetest && go vet ./...
	$(TOOL) staticcheck ./...

# The whole job on one machine. Everything it makes is below SPINE; it talks to loopback only.
SPINE ?= /tmp/platctl-spine
EDGE  := http://127.0.0.1:8099
spine spine-%: export PLATCTL_STATE_DIR := $(SPINE)/state
spine spine-%: export PLATCTL_RELEASE_DIST := $(SPINE)/dist
spine spine-%: export PLATCTL_PERF_DIR := $(SPINE)/perf
spine spine-%: export PLATCTL_EDGE_LISTEN := 127.0.0.1:8099
spine spine-%: export PLATCTL_EDGE_ADMIN_LISTEN := 127.0.0.1:9099

.PHONY: spine
spine: postgres build k6 ## Build, deploy, load, roll back and measure releases on this machine
	@if [ -d $(SPINE) ]; then bin/platctl edge stop --all; bin/platctl db stop; rm -rf $(SPINE); fi >/dev/null 2>&1
	@mkdir -p -m 755 $(SPINE)
	bin/platctl db start
	bin/platctl release build --version 1.0.0
	bin/platctl release build --version 1.1.0
	bin/platctl release build --version 2.0.0 --with-config configs/rehearsal.yaml
	bin/platctl edge --detach
	bin/platctl deploy $(SPINE)/dist/1.0.0 --why "first release"
	bin/k6 x platctl scenario post_create > $(SPINE)/post_create.js
	@echo "# Good swaps under load: to 1.1.0 and back. k6 counts as the client, status as the server."
	@$(MAKE) --no-print-directory -j2 spine-load spine-swaps
	bin/platctl status
	@echo "# A release that looks healthy and answers 500, and the way back."
	bin/platctl deploy $(SPINE)/dist/2.0.0 --why "looks healthy"
	curl -s $(EDGE)/api/v1/products; echo
	bin/platctl rollback --yes --why "answers 500"
	bin/platctl status
	bin/platctl history
	@echo "# What this release can do, and what it is made of."
	bin/platctl perf baseline --target $(EDGE) --rate 50 --duration 10s --warmup 2s
	bin/platctl sbom generate $(SPINE)/dist/1.0.0 --output $(SPINE)/sbom.cdx.json
	bin/platctl edge stop --all
	bin/platctl db stop

.PHONY: spine-load spine-swaps
spine-load:
	bin/k6 run --quiet -e BASE_URL=$(EDGE) -e RATE=100 -e WARMUP=1s -e DURATION=14s $(SPINE)/post_create.js
spine-swaps:
	@sleep 6
	bin/platctl deploy $(SPINE)/dist/1.1.0 --why "good release, under load"
	@sleep 4
	bin/platctl rollback --to 1.0.0 --yes --why "rehearsal, under load"

.PHONY: bench
bench: postgres ## Print the figures that the documentation claims
	go test ./cmd/platctl -run '^$$' -bench 'FirstUp|StartToReady|IdleMemory' -benchtime 5x
	go test ./cmd/platctl -run '^$$' -bench 'Version' -benchtime 20x
	go test ./internal/base/pg/pgtest -run '^$$' -bench 'Clone' -benchtime 20x
	go test ./internal/api/server -run '^$$' -bench 'BareHandler|BareBytes' -benchtime 20x
	go test ./internal/api/server -run '^$$' -bench 'Enumeration' -benchtime 1x
	go test ./cmd/platctl -run '^$$' -bench 'LoginFlood|LoginTime' -benchtime 5x
	go test ./cmd/platctl -run '^$$' -bench 'Tracing' -benchtime 20x
	go test ./cmd/platctl -run '^$$' -bench 'LoadedMemory' -benchtime 2x
	go test ./internal/ops/trace -run '^$$' -bench 'Overhead' -benchtime 3x
	@# 1,000 migrations up, status and down, beside goose: times is how many times as fast.
	cd tools/goosetest && go test -run '^$$' -bench Thousand -benchtime 4x
	go test ./internal/api/postgres -run '^$$' -bench 'Compat$$' -benchtime 10x

.PHONY: restarts
restarts: postgres ## Stop and start two servers 20 times under load: no request fails, no write is lost
	go test ./cmd/platctl -count=1 -run TestRestartsUnderLoad -restarts 20 -v

SOAK ?= 10m
.PHONY: soak
soak: postgres ## Press two servers with everything that people do, for SOAK: nothing leaks, nothing drifts
	go test ./cmd/platctl -count=1 -timeout 40m -run TestSoak -soak $(SOAK) -v

.PHONY: coverage
coverage: postgres ## How much of internal/api the journeys run; fails below 80 %
	@tools/coverage.sh

.PHONY: oversell
oversell: postgres ## Sell the last unit to 500 buyers at once, 100 times, on two servers
	go test ./internal/api/server -run '^TestOversell$$' -v -count=1 -timeout 30m -oversell-buyers 500 -oversell-rounds 100

.PHONY: stress-migrate
stress-migrate: postgres ## Kill a migration at every message that it sends, and start ten at once 100 times
	go test ./internal/ops/migrate -run '^Test(Killed|Starters)$$' -v -count=1 -timeout 60m -kill-every 1 -starter-runs 100

FUZZTIME ?= 5s

# The dataset, 520 MB, stays in BENCH for the next time; another machine's figures are its own, the pages are the same.
BENCH ?= /tmp/platctl-bench
.PHONY: bench-feed
bench-feed: export PLATCTL_STATE_DIR := $(BENCH)
bench-feed: postgres build ## Seed the medium dataset and measure the feed of four viewers on it
	@mkdir -p -m 755 $(BENCH)
	bin/platctl migrate up
	@echo "# Seeding, the first time: at most 120 s."
	bin/platctl db seed --scale medium
	@echo "# Each viewer: pages and milliseconds in the database, with their limits."
	@bin/platctl db start --json | sed 's/.*"url":"\([^"]*\)".*/\1/' > $(BENCH)/url
	@PLATCTL_BENCH_DATABASE=$$(cat $(BENCH)/url) go test ./internal/api/indexes -run '^$$' -bench Feed -benchtime 500x; \
		code=$$?; bin/platctl db stop; exit $$code

.PHONY: bench-cache
bench-cache: postgres ## Measure how stale kept answers get on two servers, and what they cost beside a bare handler
	go test ./internal/api/server -run '^$$' -bench 'KeptAgainst|ListAgainst' -benchtime 20x
	go test ./internal/api/server -run '^$$' -bench 'BustTransport' -benchtime 10000x
	go test ./internal/api/server -run '^$$' -bench 'Staleness' -benchtime 10000x

.PHONY: bench-limits
bench-limits: postgres redis ## Measure the limiter beside another one, loans, reloads, and an offender beside others on three servers
	go test ./internal/base/limits -run '^$$' -bench . -benchtime 2000000x
	go test ./internal/api/ratelimit -run '^$$' -bench Lend -benchtime 200x
	go test ./internal/api/ratelimit -run '^$$' -bench Reload -benchtime 100x
	go test ./internal/api/server -run '^$$' -bench OffenderBesideOthers -benchtime 1x

.PHONY: bench-compat
bench-compat: postgres ## Hold compat's verdicts against the statements themselves, on changes of every kind: the confusion matrix
	go test ./internal/api/postgres -run '^$$' -bench CompatOracle -benchtime 1x -timeout 60m

.PHONY: bench-media
bench-media: postgres ## Measure pictures: time and memory of their processes, memory of the server under the corpus
	go test ./internal/api/media/child -run '^$$' -bench Heaviest -benchtime 3x
	go test ./internal/api/media -run '^$$' -bench Server -benchtime 1x

.PHONY: fuzz
fuzz: ## Fuzz every parser for a few seconds each
	@for m in . xk6-ext; do \
		(cd $$m && for p in $$(grep -rl --include='*_test.go' --exclude-dir=xk6-ext --exclude-dir=tools '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
			for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9]+' $$p/*_test.go | cut -c6-); do \
				echo "$$m $$p $$f"; go test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) || exit 1; done; done) || exit 1; done

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin dist perf
