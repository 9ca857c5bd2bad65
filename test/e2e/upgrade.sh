#!/bin/sh
# Ten hot upgrades in a minute at 50,000 queries a second, for a quiet machine. A lower rate: MERIDIAN_E2E_RATE=5000.
set -eu
cd "$(dirname "$0")/../.."
export MERIDIAN_E2E_RATE="${MERIDIAN_E2E_RATE:-50000}" MERIDIAN_E2E_UPGRADES=10 MERIDIAN_E2E_UPGRADE_EVERY_MS=6000
exec npm test -- --no-file-parallelism test/e2e/upgrade.test.ts -t "lose no query" "$@"
