#!/bin/sh
# The promises to the letter, for a quiet machine: 20,000 queries a second, exact time limits, 10,000 hostile connections.
set -eu
cd "$(dirname "$0")/../.."
export MERIDIAN_E2E_RATE=20000 MERIDIAN_E2E_PATIENCE=1 MERIDIAN_E2E_CONNECTIONS=10000
exec npm test -- --no-file-parallelism test/e2e "$@"
