#!/bin/sh
# The promises to the letter: 20,000,000 mutated packets against the answer in process, 2,000,000 over the wire.
set -eu
cd "$(dirname "$0")/../.."
export MERIDIAN_FUZZ=20000000 MERIDIAN_FUZZ_WIRE=2000000
exec npm test -- --no-file-parallelism test/conformance/fuzz.test.ts test/conformance/wire.test.ts "$@"
