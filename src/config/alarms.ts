/** Whom operators want to be told when something is wrong, and of what (`alarm/`). */

import type { Place, Service } from "./config.ts";

/** From the least to the worst. */
export const SEVERITIES = ["info", "warning", "critical"] as const;

export type Severity = (typeof SEVERITIES)[number];

/** Where a secret stands; it is read elsewhere, and never shown. */
export type SecretSource =
  | { readonly from: "file"; readonly file: string; readonly place: Place }
  | { readonly from: "environment"; readonly variable: string; readonly place: Place };

/** Somebody or something that can be told. */
export type Destination = {
  readonly id: string;
  /** PEM file with the certificate authorities to trust in place of the well-known ones; null: those. */
  readonly ca: string | null;
} & (
  | { readonly kind: "webhook"; readonly url: string; readonly secret: SecretSource }
  /** Whoever knows the URL may write, so it is a secret. */
  | { readonly kind: "slack"; readonly url: SecretSource }
  | { readonly kind: "pagerduty"; readonly url: string; readonly key: SecretSource }
  | {
      readonly kind: "email";
      readonly host: string;
      readonly port: number;
      /** starttls: nothing is sent unless the server can do it. */
      readonly tls: "starttls" | "implicit" | "none";
      readonly from: string;
      readonly to: readonly string[];
      /** null: the server wants no password. */
      readonly login: { readonly user: string; readonly password: SecretSource } | null;
    }
);

/** What some destinations are told. Of the routes that lead an alarm to one destination the first counts. */
export interface AlarmRoute {
  readonly name: string;
  readonly to: readonly string[];
  /** The least severity. */
  readonly severity: Severity;
  /** Alarms that concern one of these; null: all alarms, those about the node itself too. */
  readonly services: readonly Service[] | null;
  /** What ends before that is never told. */
  readonly delayMs: number;
  /** For so long further alarms are waited for, to be told in one message. */
  readonly groupMs: number;
  /** Whether it is told that an alarm has ended. */
  readonly recovery: boolean;
}

/** The section `alarms`. */
export interface AlarmConfig {
  readonly destinations: ReadonlyMap<string, Destination>;
  /** In the order of the file. */
  readonly routes: readonly AlarmRoute[];
  /** How long before their end overrides and certificates are an alarm. */
  readonly overrideEndsWithinMs: number;
  readonly certificateEndsWithinMs: number;
}
