# What you can make here; `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

LAB_DIR ?= .lab
# `redfleet version` says the commit where there is one: not in a source archive.
BUILD_VCS := $(if $(shell git rev-parse --verify --quiet HEAD 2>/dev/null),true,false)
# A package can take longer than the timeout only by hanging. There are more
# tests at once than cores, since most of them wait for a failover. Vet is part of
# make check; here it would take an eighth of the time.
TEST_FLAGS := -race -count=1 -vet=off -parallel=4 -timeout=8m
# A program with the race detector waits a second at its exit for reports of other
# goroutines (atexit_sleep_ms). There are 60 of them and what they start, and
# goroutines end before their owner here.
test test-long: export GORACE := atexit_sleep_ms=50

.PHONY: help
help: ## list what you can make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/redfleet, one static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILD_VCS) -ldflags '-s -w' -o bin/redfleet ./cmd/redfleet

.PHONY: deps
deps: ## install through apt what is missing: the Redis server, Sentinel and client
	@.ci/install

.PHONY: lab
lab: deps build ## a highly available Redis on this machine: three nodes, verified
	bin/redfleet lab up --dir $(LAB_DIR)

.PHONY: lab-down
lab-down: ## end the lab, every process and file of it
	bin/redfleet lab down --dir $(LAB_DIR)

.PHONY: test
test: deps consul ## all tests, on real Redis, Sentinel and Consul, with the race detector
	@# What takes longest begins first.
	go test $(TEST_FLAGS) $(TEST_MORE) ./internal/fleettest ./...

.PHONY: test-long
test-long: deps consul ## the tests that wait for Sentinel's own times, or repeat a thing many times
	@.ci/long

.PHONY: consul
consul: ## find a Consul for the tests, or build one (once, about four minutes)
	@.ci/consul

.PHONY: check
check: ## formatting, vet, staticcheck, shellcheck, the imports' direction
	@.ci/install check
	.ci/check

.PHONY: deb
deb: ## dist/redfleet_<version>_<arch>.deb; the same commit gives the same bytes
	@packaging/build.sh deb

.PHONY: rpm
rpm: ## the same files as an .rpm; it is built, and tested nowhere
	@packaging/build.sh rpm

.PHONY: e2e
e2e: ## builds the .deb, then all tests on machines: 3, 6 and 12 nodes, faults, packages; needs root
	@.ci/e2e

.PHONY: e2e-machines
e2e-machines: ## the machines for end-to-end tests (e2e/machine), tested themselves; needs root
	@.ci/e2e ./e2e/machine

.PHONY: e2e-matrix
e2e-matrix: ## each engine on each Debian: bring-up, failover, rejoin, as a table; needs root
	@.ci/e2e ./e2e/matrix

# A schedule comes from its seed; the usual 60 faults are of all kinds.
SEED ?= 1
FAULTS ?= 60

.PHONY: chaos
chaos: ## faults on machines while clients write: SEED=1 FAULTS=60, or KINDS='kill master,loss'; table, history and timeline in dist/; needs root
	@mkdir -p dist
	@rm -f dist/power.* dist/consul.* dist/chaos.*
	@status=0; SEED=$(SEED) FAULTS=$(FAULTS) $(if $(KINDS),KINDS='$(KINDS)' E2E_RUN='^TestChaos$$') E2E_TIMEOUT=60m CHAOS_DIR=$(CURDIR)/dist .ci/e2e ./e2e/chaos || status=$$?; \
		for table in power consul chaos; do if [[ -e dist/$$table.txt ]]; then echo; cat dist/$$table.txt; fi; done; exit $$status

.PHONY: vagrant-box
vagrant-box: ## the box for Vagrant's lxc provider; prints its path; needs root
	@.ci/install vagrant
	@go run ./vagrant/box

.PHONY: vagrant-test
vagrant-test: ## a real `vagrant up` to verified, halt of the master, return, destroy, on lxc; needs root
	@[[ $$(id -u) == 0 ]] || { echo "make vagrant-test makes real machines (namespaces, mounts, cgroups): run it as root, for example sudo -E make vagrant-test" >&2; exit 1; }
	@REDFLEET_BOX_FILE=$$($(MAKE) --no-print-directory vagrant-box) .ci/e2e ./e2e/vagrant

SEEDS ?= 1000
.PHONY: sim
sim: ## the simulation: SEEDS=10000 many, SEED=123 one with all that happens, SCHEDULE=file one again
	@go run ./e2e/sim --seeds $(SEEDS) $(if $(KNOWN),--known $(KNOWN)) $(if $(filter command environment,$(origin SEED)),--seed $(SEED)) $(if $(SCHEDULE),--schedule $(SCHEDULE))

.PHONY: sim-bugs
sim-bugs: ## puts bugs back on purpose and shows that the simulation finds each within 2,000 seeds
	@go run ./e2e/sim --bugs --seeds 2000

.PHONY: bench
bench: bench-bringup bench-crash bench-footprint ## all benches

.PHONY: bench-bringup
bench-bringup: deps build ## from nothing to verified, and a failover, each beside the same by hand
	go run ./e2e/bench bringup

.PHONY: bench-crash
bench-crash: deps build ## the master's process is killed: the gap at clients, beside plain Sentinel
	go run ./e2e/bench crash

.PHONY: bench-footprint
bench-footprint: deps build ## what an agent at rest costs
	go run ./e2e/bench footprint

.PHONY: fuzz
fuzz: ## fuzzes each reader of foreign text for 5 minutes (FUZZ_TIME=30s: shorter) and keeps what it found
	@.ci/fuzz

.PHONY: mutants
mutants: ## changes each guard, one at a time: a test must notice. SHARE=3/10 for a part of them
	@go -C .ci/tools build -o $(CURDIR)/bin/mutants ./mutants
	bin/mutants -share $(or $(SHARE),1/1) -report dist/mutants.txt

.PHONY: tests-list
tests-list: ## renew .ci/tests.txt, .ci/long.txt and .ci/e2e.txt, the lists of tests that .ci/run must see run
	.ci/run --list

.PHONY: clean
clean: ## remove what was built; a running lab is left alone
	rm -rf bin dist
