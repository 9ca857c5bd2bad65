/** `meridian drill report`: what a drill has shown. */

import { type ApiOptions, getFromApi, getTextFromApi } from "./api-call.ts";
import { print } from "./console.ts";

/** Prints the report of a drill; until now where it is under way. */
export async function printReport(
  id: string,
  { format, ...options }: ApiOptions & { readonly format: "markdown" | "json" | "html" | "junit" },
): Promise<void> {
  const path = `/v1/drills/${encodeURIComponent(id)}/report`;
  if (format === "json") {
    const report = await getFromApi(path, options);
    if (report !== null) print(JSON.stringify(report, null, 2));
    return;
  }
  const report = await getTextFromApi(`${path}?format=${format}`, options);
  if (report !== null) print(report.trimEnd());
}
