/** What is known of a client prefix. */

/** Everything a policy can tell clients apart by. Interned by the atlas: equal locations are one object. */
export interface Location {
  /** Two letters: AF AN AS EU NA OC SA; null: unknown. */
  readonly continent: string | null;
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country: string | null;
  /** ISO 3166-2 with its country, as in `US-CA`. */
  readonly subdivision: string | null;
  readonly asn: number | null;
  /** Degrees: the database's own, else the country's centroid. */
  readonly coordinates: { readonly latitude: number; readonly longitude: number } | null;
  /** The operator's labels whose prefix holds the client, longest prefix first. */
  readonly labels: readonly string[];
  /** The prefixes named by `geo` policies that hold the client, longest first, in canonical text. */
  readonly prefixes: readonly string[];
}

/** The location of an address that no data speaks of. */
export const NOWHERE: Location = {
  continent: null,
  country: null,
  subdivision: null,
  asn: null,
  coordinates: null,
  labels: [],
  prefixes: [],
};
