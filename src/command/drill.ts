/** `meridian drill`: rehearses failures: tries, begins, follows, ends and shows drills. */

import { setTimeout as sleep } from "node:timers/promises";
import type { DeclaredDrillView, DrillView, RehearsalView } from "../control/api/drill-view.ts";
import { type ApiOptions, getFromApi, getListFromApi, postToApi } from "./api-call.ts";
import { complain, percent, plural, print, printTable, seconds } from "./console.ts";

/** A drill that is not in the config, in options. */
interface DrillOptions extends ApiOptions {
  readonly mode?: string;
  /** `region:eu-west`, `member:web/eu-west`, `vip:web/eu-west/ipv4` or `vantages:dublin,tokyo`. */
  readonly target?: string;
  readonly duration?: string;
  readonly weight?: string;
  readonly by?: readonly string[];
  readonly service?: readonly string[];
  readonly to?: readonly string[];
  readonly within?: string;
  readonly json?: boolean;
}

/** So often a drill that is followed is looked at. */
const FOLLOW_MS = 500;

/** Begins a drill and, unless told otherwise, prints what happens until it is over. */
export async function runDrill(
  name: string | null,
  options: DrillOptions & { readonly reason: string; readonly wait: boolean },
): Promise<void> {
  const wanted = wantedOf(name, options);
  if (wanted === null) return;
  const begun = (await postToApi(
    "/v1/drills",
    { ...wanted, reason: options.reason },
    options,
  )) as DrillView | null;
  if (begun === null) return;
  const isTold = options.json !== true;
  if (isTold) print(`${begun.id}: ${begun.summary}, until ${begun.until}`);
  const drill = options.wait ? await follow(begun, options, isTold) : begun;
  if (drill === null) return;
  if (!isTold) print(JSON.stringify(drill, null, 2));
  if (drill.ending !== null && drill.ending.kind !== "on-time") complain(`${drill.id}: ${drill.ending.text}`);
}

/** Prints moments as they come in; null: the node cannot be asked any more. */
async function follow(begun: DrillView, options: ApiOptions, isTold: boolean): Promise<DrillView | null> {
  let told = 0;
  for (;;) {
    const drill = (await getFromApi(begun.url, options)) as DrillView | null;
    if (drill === null) return null;
    for (const { at, text } of isTold ? drill.moments.slice(told) : []) print(`${at}  ${text}`);
    told = drill.moments.length;
    if (drill.phase === "over") return drill;
    await sleep(FOLLOW_MS);
  }
}

/** Says what a drill would do, and why it would not begin. */
export async function rehearseDrill(name: string | null, options: DrillOptions): Promise<void> {
  const wanted = wantedOf(name, options);
  if (wanted === null) return;
  // It goes on no record.
  const body = { ...wanted, reason: "rehearsed" };
  const rehearsal = (await postToApi("/v1/drills?dryRun=true", body, options)) as RehearsalView | null;
  if (rehearsal === null) return;
  if (options.json === true) print(JSON.stringify(rehearsal, null, 2));
  else printRehearsal(rehearsal);
}

function printRehearsal({ vips, services, moves, loads, restoresWithinMs }: RehearsalView): void {
  print(`takes away ${vips.length === 0 ? "no VIP" : vips.join(", ")}`);
  printTable(
    ["service", "bound", "objective"],
    services.map(({ service, boundMs, objectiveMs }) => [service, seconds(boundMs), seconds(objectiveMs)]),
  );
  printTable(
    ["service", "family", "region", "answers now", "then"],
    moves.flatMap(({ service, family, regions }) =>
      regions.map(({ region, before, after }) => [service, family, region, percent(before), percent(after)]),
    ),
  );
  for (const { pool, load } of loads)
    print(`pool ${pool} would use ${percent(load)} of the capacity that is left`);
  print(`all is as before ${seconds(restoresWithinMs)} after its end at the latest`);
}

/** Prints the drills of the config, and those that were begun, the newest first. */
export async function listDrills(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  const declared = (await getListFromApi("/v1/drills/declared", "drills", options)) as
    | readonly DeclaredDrillView[]
    | null;
  const drills = (await getListFromApi("/v1/drills", "drills", options)) as readonly DrillView[] | null;
  if (declared === null || drills === null) return;
  if (options.json === true) return print(JSON.stringify({ declared, drills }, null, 2));
  printTable(
    ["declared", "what", "for", "next"],
    declared.map(({ name, summary, durationMs, nextAt }) => [
      name,
      summary,
      seconds(durationMs),
      nextAt ?? "-",
    ]),
  );
  print("");
  printTable(
    ["drill", "what", "by", "phase", "ending"],
    drills.map(({ id, summary, author, phase, ending }) => [id, summary, author, phase, ending?.text ?? "-"]),
  );
}

/** Prints what is known of a drill. */
export async function showDrill(
  id: string,
  options: ApiOptions & { readonly json?: boolean },
): Promise<void> {
  const drill = (await getFromApi(pathOf(id), options)) as DrillView | null;
  if (drill === null) return;
  if (options.json === true) return print(JSON.stringify(drill, null, 2));
  const { summary, phase, author, reason, startedAt, until, ending, services, moments } = drill;
  print(`${id}: ${summary}, ${phase}`);
  print(`by ${author}: ${reason}; from ${startedAt} until ${until}`);
  if (ending !== null) print(`ended: ${ending.text}`);
  print(
    `watches ${plural(services.length, "service")}: ${services.map(({ service }) => service).join(", ")}`,
  );
  for (const { at, text } of moments) print(`${at}  ${text}`);
}

/** Ends a drill before its time. */
export async function abortDrill(
  id: string,
  options: ApiOptions & { readonly reason: string },
): Promise<void> {
  const drill = await postToApi(`${pathOf(id)}/abort`, { reason: options.reason }, options);
  if (drill !== null) print(`${id} is ended; all is being put back`);
}

function pathOf(id: string): string {
  return `/v1/drills/${encodeURIComponent(id)}`;
}

/** What the API is to be asked for; null: the operator has been told what is missing. */
function wantedOf(name: string | null, options: DrillOptions): object | null {
  const { mode, target, duration, weight, by, service, to, within } = options;
  if (name !== null) return { name };
  const [, kind, ids] = /^(region|member|vip|vantages):(.+)$/.exec(target ?? "") ?? [];
  if (mode === undefined || duration === undefined || kind === undefined || ids === undefined) {
    complain(
      "Give the name of a drill of the config, or --mode, --duration and --target region:NAME, member:POOL/MEMBER, vip:POOL/MEMBER/ipv4 or vantages:NAME,NAME",
    );
    return null;
  }
  const expect = { ...(to === undefined ? {} : { to }), ...(within === undefined ? {} : { within }) };
  return {
    drill: {
      mode,
      target: { [kind]: kind === "vantages" ? ids.split(",") : ids },
      duration,
      ...(weight === undefined ? {} : { weight: Number(weight) }),
      ...(by === undefined ? {} : { by }),
      ...(service === undefined ? {} : { services: service }),
      ...(Object.keys(expect).length === 0 ? {} : { expect }),
    },
  };
}
