/** `meridian alarm`: what is wrong now, who is told, and whether they can be reached. */

import type { DestinationView } from "../control/alarms.ts";
import { type ApiOptions, getFromApi, postToApi } from "./api-call.ts";
import { complain, print, printTable } from "./console.ts";
import { get } from "./get.ts";

/** Prints a line for each alarm that stands. */
export async function listAlarms(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  await get("alarms", null, { ...options, where: [] });
}

/** Prints a line for each destination. */
export async function listDestinations(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  const answer = (await getFromApi("/v1/alarms?limit=1", options)) as {
    readonly destinations: readonly DestinationView[];
  } | null;
  if (answer === null) return;
  if (options.json === true) return print(JSON.stringify(answer.destinations, null, 2));
  printTable(
    ["destination", "type", "sent", "not taken", "waiting", "trouble"],
    answer.destinations.map(({ name, type, sent, failed, waiting, trouble }) => [
      name,
      type,
      String(sent),
      String(failed),
      String(waiting),
      trouble ?? "",
    ]),
  );
}

/** Sends a test to a destination. */
export async function testDestination(
  name: string,
  options: ApiOptions & { readonly json?: boolean },
): Promise<void> {
  const answer = (await postToApi("/v1/alarms/tests", { destination: name }, options)) as {
    readonly taken: boolean;
    readonly message: string | null;
  } | null;
  if (answer === null) return;
  if (options.json === true) print(JSON.stringify(answer, null, 2));
  else if (answer.taken) print(`${name} has taken the test`);
  if (!answer.taken) complain(`${name} has not taken the test: ${answer.message}`);
}
