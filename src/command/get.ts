/** `meridian get`: everything that a node can be asked about, as tables, or one thing whole. */

import { type ApiOptions, getFromApi, getListFromApi } from "./api-call.ts";
import { complain, print } from "./console.ts";
import { printEntries, RESOURCES, type Resource } from "./resources.ts";

interface GetOptions extends ApiOptions {
  /** `KEY=VALUE`: filters of the list, as the API has them. */
  readonly where: readonly string[];
  readonly json?: boolean;
}

/** Prints what there is of a resource, or one of it whole. */
export async function get(resource: string, id: string | null, options: GetOptions): Promise<void> {
  const found = RESOURCES[resource];
  if (found === undefined)
    return complain(`there is no ${resource}; one of ${Object.keys(RESOURCES).join(", ")}`);
  if (found.of !== undefined && id === null) return complain(`${resource} of which ${found.of}?`);
  if (found.hasItems === false && found.of === undefined && id !== null)
    return complain(`${resource} are listed together: --where asks for some of them`);
  if (id !== null && found.of === undefined)
    return await getOne(`${found.path}/${encodeURIComponent(id)}`, options);
  await list(resource, found, id, options);
}

async function getOne(path: string, options: GetOptions): Promise<void> {
  const item = await getFromApi(path, options);
  if (item === null) return;
  if (options.json === true) return print(JSON.stringify(item, null, 2));
  const { stringify } = await import("yaml");
  print(stringify(item).trimEnd());
}

async function list(name: string, resource: Resource, of: string | null, options: GetOptions): Promise<void> {
  const filters = filtersOf(options.where);
  if (filters === null) return;
  const path = resource.path.replace("{}", encodeURIComponent(of ?? ""));
  const entries = await getListFromApi(path, resource.key, options, filters);
  if (entries === null) return;
  if (options.json === true) print(JSON.stringify(entries, null, 2));
  else if (entries.length === 0) print(`no ${name}`);
  else printEntries(resource, entries);
}

function filtersOf(where: readonly string[]): Readonly<Record<string, string>> | null {
  const filters: Record<string, string> = {};
  for (const filter of where) {
    const at = filter.indexOf("=");
    if (at < 1) {
      complain(`--where: expected KEY=VALUE, got ${JSON.stringify(filter)}`);
      return null;
    }
    filters[filter.slice(0, at)] = filter.slice(at + 1);
  }
  return filters;
}
