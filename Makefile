# The menu of every action. Thin: it calls cargo and the scripts in scripts/.

CARGO ?= cargo
# Where the tests of the whole workspace have built the binary.
BINARY = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug/salesforce-replicator
DEMO_CONTACTS ?= 10000
DEMO_ACCOUNTS ?= 2000
# Lives of an org that test-long tries for each of the two destinations.
SEEDS ?= 500

.DEFAULT_GOAL := help
.PHONY: help
help: ## list what can be done
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo demo-kubernetes simulator
demo: ## replicate a simulated org into a SQLite file, change it, replicate again, look with SQL
	CONTACTS=$(DEMO_CONTACTS) ACCOUNTS=$(DEMO_ACCOUNTS) scripts/demo

demo-kubernetes: ## the operator on a real control plane: apply a resource, watch it, see rows, events and metrics
	CONTACTS=$(DEMO_CONTACTS) ACCOUNTS=$(DEMO_ACCOUNTS) scripts/demo-kubernetes

simulator: ## run a simulated Salesforce org on port 8900 until Ctrl-C
	$(CARGO) run --package simulator -- --port 8900 --contacts $(DEMO_CONTACTS) --accounts $(DEMO_ACCOUNTS)

##@ Build

.PHONY: build install image
build: ## the one binary, optimised: target/release/salesforce-replicator
	$(CARGO) build --release --package cli

install: ## build it and put it on cargo's path, with the kubectl plugin sfr
	$(CARGO) install --locked --path operator/cli
	ln -sf salesforce-replicator "$${CARGO_INSTALL_ROOT:-$${CARGO_HOME:-$$HOME/.cargo}}/bin/kubectl-sfr"

image: ## the operator's image as an OCI archive in target/image, by buildah or docker; IMAGE= its name
	scripts/image

##@ Check

.PHONY: test test-cluster test-image check compiler fmt-check chart test-rust test-long test-clients test-commands kubernetes measure measure-operator lint fmt fmt-check deny advisories alerts drift
test: check test-clients kubernetes test-rust ## everything that CI checks: the cheap checks first, then the tests

check: compiler fmt-check lint deny alerts drift ## the cheap checks alone

test-rust: compiler ## all Rust tests, beside a throw-away PostgreSQL; ARGS= goes to cargo test instead of --workspace
	$(if $(ARGS),,SFR_TEST_BINARY=$(BINARY)) scripts/with-postgres $(CARGO) test $(if $(ARGS),$(ARGS),--workspace)

test-cluster: ## the image and the chart on a real Kubernetes node of its own (needs root), or on the cluster of KUBECONFIG
	tests/cluster/run

test-image: ## build the image once more from a clone in another folder, and compare the bytes; takes as long as the first time
	tests/cluster/same-image

test-long: compiler ## a thousand random lives of an org, each compared to the last value; SEEDS= for each database (500)
	SFR_TEST_SEEDS=$(SEEDS) scripts/with-postgres $(CARGO) test --release --package e2e chaos:: -- --nocapture

test-clients: ## public Salesforce clients (Python, JavaScript) against the simulator
	tests/simulator/tests/clients/run

chart: compiler ## lint and render the chart in each way that is tested, on a real API server too
	$(CARGO) test --package e2e --test main chart::

test-commands: ## what the documentation tells to run and takes long: make install, make sbom and the like, as it is written there
	scripts/test-commands

kubernetes: ## the Kubernetes control plane and the helm that the tests run, built once into the user's cache
	scripts/kubernetes
	scripts/program helm

measure: ## rows a second and memory of an Initial of 100 000 and 1 000 000 contacts; takes some minutes
	scripts/with-postgres scripts/measure

measure-operator: ## time, memory, CPU and API requests of one operator with 200 resources of 5 objects
	SFR_TEST_RESOURCES=200 scripts/with-postgres $(CARGO) test --package e2e operator::scale -- --nocapture

compiler:
	@scripts/need 'cc -include stdio.h -x c -E /dev/null' gcc libc6-dev
	@{ $(CARGO) clippy --version && $(CARGO) fmt --version; } > /dev/null 2>&1 || rustup component add clippy rustfmt

lint: ## clippy, warnings are errors
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

fmt: ## format the code
	$(CARGO) fmt --all

fmt-check: ## fail where the code is not formatted
	$(CARGO) fmt --all --check

deny: ## licences, banned and double dependencies, sources
	scripts/cargo-tool deny check bans licenses sources

alerts: ## check the alerts and run their tests, with promtool
	scripts/alerts

advisories: ## known vulnerabilities; needs the network for the advisory database
	scripts/cargo-tool deny check advisories

##@ Release

.PHONY: sbom licenses
sbom: ## the software bill of materials of the binary, in CycloneDX
	scripts/sbom

licenses: ## the texts of all licences in the binary, with the crates that are under them
	scripts/licenses

##@ Generate

.PHONY: generate
generate: ## write the generated files again
	scripts/generate

drift: ## fail where a generated file is not current
	scripts/generate --check
