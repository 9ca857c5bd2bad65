/** How long-running commands end. */

/** Resolves at SIGINT or SIGTERM, or when the process that asked for it, our parent, goes away. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
    // Only a child started with a channel has one.
    process.once("disconnect", () => resolve());
  });
}
