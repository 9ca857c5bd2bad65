/** How long-running commands end. */

/** Resolves at SIGINT or SIGTERM, and with an owner also when that process, our parent, goes away. */
export function untilStopped(hasOwner: boolean = true): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      // Who listens for it keeps the channel open, and an open channel would keep this process from its end.
      process.off("disconnect", stop);
      resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
    // Only a child started with a channel has one.
    if (hasOwner) process.once("disconnect", stop);
  });
}
