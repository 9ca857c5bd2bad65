/**
 * fast-check with the same seed each time: what a run says of a change it says again, and nobody's change fails by another's rare
 * case. `MERIDIAN_SEED=random` looks for those.
 */

import fc from "fast-check";

const seed = process.env["MERIDIAN_SEED"] ?? "20261122";
if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });

export { fc };
