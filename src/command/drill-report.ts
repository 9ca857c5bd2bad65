/** `meridian drill report` and `compare`: what drills have shown. */

import type { ComparisonView } from "../control/api/drill-compare.ts";
import { type ApiOptions, getFromApi, getTextFromApi } from "./api-call.ts";
import { print, printTable, seconds } from "./console.ts";

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

/** Prints two drills side by side: the figures that either has, and clients that are in both. */
export async function compareDrills(
  id: string,
  other: string,
  options: ApiOptions & { readonly json?: boolean },
): Promise<void> {
  const path = `/v1/drills/${encodeURIComponent(id)}/compare/${encodeURIComponent(other)}`;
  const compared = (await getFromApi(path, options)) as ComparisonView | null;
  if (compared === null) return;
  if (options.json === true) return print(JSON.stringify(compared, null, 2));
  const { first, second, alike, figures, clients } = compared;
  if (!alike)
    print("These drills did other things, or to other services: their figures are of different failures.");
  printTable(
    ["", first.id, second.id],
    [
      ["verdict", first.verdict, second.verdict],
      ...figures
        .filter(({ firstMs, secondMs }) => firstMs !== null || secondMs !== null)
        .map(({ passage, part, quantile, firstMs, secondMs }) => [
          `${passage} ${part} ${quantile}`,
          seconds(firstMs),
          seconds(secondMs),
        ]),
      ...clients.map(({ vantage, resolver, service, family, passage, firstMs, secondMs }) => [
        `${passage} at ${vantage} by ${resolver ?? "no resolver"}, ${service} ${family}`,
        seconds(firstMs),
        seconds(secondMs),
      ]),
    ],
  );
}
