/** A node: makes the parts of control, connects them, and lets time move. */

import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import { type Answer, LastGood } from "../steering/last-good.ts";
import { Afterwards } from "./afterwards.ts";
import { AlarmDesk } from "./alarm-desk.ts";
import type { AppliedFiles } from "./applied.ts";
import { AuditKeeper } from "./audit-keeper.ts";
import { type Challenge, challengesFor, live } from "./challenge.ts";
import type { Authorship, ChangeOutcome } from "./change.ts";
import { Clerk } from "./clerk.ts";
import { Complaints } from "./complaints.ts";
import { DeclaredFiles } from "./declared-files.ts";
import { Door } from "./door.ts";
import { Drills } from "./drills.ts";
import { FactKeeper } from "./fact-keeper.ts";
import { Ingest } from "./ingest.ts";
import { KeyRoller } from "./key-roller.ts";
import { type Edition, LiveBook } from "./live-book.ts";
import { describeMoved } from "./moved.ts";
import { deskOf, type NodeDesk } from "./node-desk.ts";
import { NodeLog } from "./node-log.ts";
import { Notifier } from "./notifier.ts";
import type { Override } from "./override.ts";
import { lookAtParent } from "./parent.ts";
import type { Replanned } from "./planner.ts";
import type { Publisher } from "./publish.ts";
import { RecordDesk } from "./record-desk.ts";
import { type Attempt, type Review, Safety } from "./safety.ts";
import { beyondScope } from "./scope.ts";
import type { Shift } from "./shift.ts";
import { SignalGate } from "./signals.ts";
import type { Loaded, Loader, Snapshot } from "./snapshot.ts";
import { Stager } from "./stager.ts";
import type { NewAuditEntry, Store } from "./store.ts";
import { asFarAsAvailable, ifAvailable } from "./store-file.ts";
import { StoreKeeper } from "./store-keeper.ts";
import { TokenKeeper } from "./token-keeper.ts";
import { TrafficDesk } from "./traffic-desk.ts";
import { Trials } from "./trials.ts";
import { Watchers } from "./watchers.ts";

/** Time moves at least this often. */
const TICK_MS = 1_000;

export interface NodeOptions {
  readonly configFolder: string;
  readonly stateFolder: string;
  readonly publisher: Publisher;
  readonly nowMs: () => number;
  /** Of a clock that nobody sets. */
  readonly elapsedMs: () => number;
  /** What hashes of new tokens cost (`SCRYPT_COST` unless it is said): tests make many. */
  readonly tokenCost?: number;
  readonly log: Logger;
}

/** What a node begins with. */
export interface Opened {
  readonly loader: Loader;
  readonly applied: AppliedFiles;
  readonly first: Snapshot;
}

/** Everything behind a desk. */
export class Node {
  readonly desk: NodeDesk;
  readonly #options: NodeOptions;
  readonly #first: Snapshot;
  readonly #log: NodeLog;
  readonly #complaints: Complaints;
  readonly #storeKeeper: StoreKeeper;
  readonly #store: Store;
  readonly #keeper: FactKeeper;
  readonly #records: RecordDesk;
  readonly #book: LiveBook;
  readonly #traffic: TrafficDesk;
  readonly #safety: Safety;
  readonly #door: Door;
  readonly #declared: DeclaredFiles;
  readonly #ingest: Ingest;
  readonly #drills: Drills;
  readonly #afterwards: Afterwards;
  readonly #tokens: TokenKeeper;
  readonly #audit: AuditKeeper;
  readonly #notifier: Notifier;
  readonly #roller: KeyRoller;
  readonly #alarms: AlarmDesk;
  #timer: NodeJS.Timeout | null = null;
  #advancing = false;

  constructor(options: NodeOptions, { loader, applied, first }: Opened) {
    const { configFolder, stateFolder, publisher, nowMs, elapsedMs, log } = options;
    const { node } = first.config;
    const startedMs = nowMs();
    this.#options = options;
    this.#first = first;
    this.#log = new NodeLog(log);
    const complaints = new Complaints(log);
    this.#complaints = complaints;
    this.#storeKeeper = new StoreKeeper({
      folder: stateFolder,
      nowMs,
      log,
      onRestored: ({ isNew }) => this.#records.restored(isNew),
    });
    const { store } = this.#storeKeeper;
    this.#store = store;
    this.#audit = new AuditKeeper(store, node.audit.keepMs, nowMs);
    this.#tokens = new TokenKeeper(store, nowMs, options.tokenCost);
    const verdicts = ifAvailable(() => store.facts.verdicts(), []);
    const lastGood = ifAvailable(() => store.facts.lastGood(), new Map<string, Answer>());
    const keeper = new FactKeeper(first.config, store.overrides(), verdicts, startedMs);
    keeper.lastGood = LastGood.restored(lastGood);
    this.#keeper = keeper;
    const snapshot = (): Snapshot => this.#snapshot();
    const edition = (): Edition => this.#edition();
    const facts = (): Facts => keeper.facts(nowMs());
    const overrides = (): readonly Override[] => store.overrides();
    const review = (attempt: Attempt): Promise<Review> => this.#review(attempt);
    this.#records = new RecordDesk({
      store,
      loader,
      configFolder,
      limits: node.history,
      keeper,
      lastGood,
      edition,
      version: () => this.#door.version(),
      nowMs,
      complaints,
      log,
    });
    this.#book = new LiveBook({
      keeper,
      publisher,
      nowMs,
      onLastGood: (plans) => this.#records.answeredByLastGood(plans),
      onReplanned: (replanned) => {
        this.#drills.replanned(replanned);
        this.#afterwards.note();
      },
      onVerdicts: (shift, replanned) => this.#onVerdicts(shift, replanned),
    });
    const { profile } = node;
    this.#traffic = new TrafficDesk({
      store: store.profile,
      profile,
      publisher,
      keeper,
      edition,
      nowMs,
      complaints,
    });
    this.#safety = new Safety({
      inForce: () => this.#book.edition,
      keeper,
      nowMs,
      // Rules hold without a store too, by what is known of traffic then.
      traffic: async (fromMs) => asFarAsAvailable((await this.#traffic.since(fromMs)) ?? []),
    });
    this.#door = new Door({
      stager: new Stager({ safety: this.#safety, nowMs, config: () => snapshot().config, facts, overrides }),
      store,
      loader,
      applied,
      nowMs,
      snapshot,
      versionSeen: () => publisher.versionSeen,
      beyondScope: (scope, edit) => beyondScope(scope, edit, edition(), overrides()),
      review,
      moved: (attempt) => this.#safety.moved(attempt),
      override: (ordered, audit) => this.#override(ordered, audit),
      isHeldDown: (vip) => (keeper.judged().get(vip)?.hold ?? null) !== null,
      release: (vips, audit) => this.#follow(keeper.release(vips, nowMs()), audit),
      challenge: (challenges, audit) => this.#challenge(challenges, audit),
      replace: (proposed, version, judge, dryRun) => this.#book.replace(proposed, version, judge, dryRun),
      onLoaded: (loaded, problems, by) => this.#onLoaded(loaded, problems, by),
    });
    this.#declared = new DeclaredFiles({
      applied,
      source: node.source,
      nowMs,
      change: (request) => this.#door.change(request),
      quiet: () => this.#door.quiet(),
      hasOpenedSince: (thenMs) => this.#safety.hasOpenedSince(thenMs),
      complaints,
      log,
    });
    this.#ingest = new Ingest(first.config, this.#door.version(), {
      nowMs,
      take: (reports) => this.#book.shift(keeper.report(reports)),
      orders: (vantage) => watchers.ordersFor(vantage),
      observe: (hello, batch) => watchers.take(hello, batch),
      onStream: (token, event, detail) => this.#log.stream(token, event, detail),
    });
    const watchers = new Watchers({
      nowMs,
      send: () => this.#ingest.sendOrders(),
      agents: () => this.#ingest.agents,
    });
    this.#afterwards = new Afterwards({
      keeper,
      publisher,
      nowMs,
      edition: () => this.#book.edition,
      onError: (cause) => complaints.say("dns does not know what follows when an override ends", cause),
    });
    this.#drills = new Drills({
      store: store.drills,
      watchers,
      nowMs,
      edition: () => this.#book.edition,
      facts,
      judged: () => keeper.judged(),
      overrides,
      change: (request) => this.#door.change(request),
      review,
      traffic: () => this.#traffic.recent(),
      audit: (entry) => store.exclusively(() => ({ ...entry, version: this.#door.version() })),
      log,
    });
    const clerk = new Clerk({
      snapshot,
      nowMs,
      update: (author, evaluate) => this.#door.update(author, evaluate),
      log,
    });
    this.#notifier = new Notifier(options);
    this.#roller = new KeyRoller({
      store,
      snapshot,
      nowMs,
      elapsedMs,
      look: ({ apex }, rollover) => lookAtParent(apex, rollover, nowMs),
      log,
    });
    this.#alarms = new AlarmDesk({
      desk: () => this.desk,
      store,
      overrides: () => keeper.overrides,
      planner: () => edition().planner,
      publisher,
      startedMs,
      log,
    });
    this.desk = deskOf({
      nowMs,
      startedMs,
      stateFolder,
      snapshot,
      edition,
      tick: () => this.#tick(),
      close: () => this.#close(),
      publisher,
      storeKeeper: this.#storeKeeper,
      keeper,
      records: this.#records,
      traffic: this.#traffic,
      trials: new Trials({
        door: this.#door,
        book: this.#book,
        keeper,
        records: this.#records,
        traffic: this.#traffic,
        edition,
        review,
        nowMs,
      }),
      door: this.#door,
      declared: this.#declared,
      ingest: this.#ingest,
      signals: new SignalGate((signals) => this.#book.shift(keeper.signal(signals, nowMs()))),
      drills: this.#drills,
      tokens: this.#tokens,
      auditKeeper: this.#audit,
      clerk,
      notifier: this.#notifier,
      roller: this.#roller,
      alarms: this.#alarms,
      complaints,
      log,
    });
  }

  /** Publishes the first book, and lets time move from then on. With `refused` these files stand for others, which that is against. */
  async begin(loaded: Loaded, refused: readonly Problem[]): Promise<ChangeOutcome> {
    const outcome = await this.#door.begin(loaded);
    if (outcome.kind !== "published") return outcome;
    if (refused.length > 0) this.#declared.refused(refused);
    this.#tick();
    return outcome;
  }

  #tick(): void {
    const shift = this.#keeper.tick(this.#options.nowMs());
    this.#book.shift(shift);
    if (this.#book.flush().length > 0) this.#alarms.touch();
    if (shift.rankings) this.#records.ranked();
    this.#records.tick();
    void this.#storeKeeper.tend();
    // Another process may have written, or another file have come in the place of this one.
    const overrides = ifAvailable(() => this.#store.overrides(), this.#keeper.overrides);
    if (overrides !== this.#keeper.overrides) this.#override(overrides, []);
    this.#expire();
    this.#declared.tick();
    this.#advance();
    this.#roller.tick();
    this.#alarms.tick();
    this.#drills.tick();
    this.#afterwards.look();
    void this.#traffic.takeSamples();
    const tokens = ifAvailable(() => this.#tokens.prune(), null);
    if (tokens !== null) this.#ingest.keepTokens(tokens);
    this.#keep();
    this.#arm();
  }

  async #close(): Promise<void> {
    this.#declared.close();
    this.#drills.close();
    this.#notifier.close();
    this.#roller.close();
    this.#alarms.close();
    this.#ingest.close();
    this.#book.flush();
    await this.#door.quiet();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#options.publisher.save();
    this.#traffic.save();
    this.#keep(true);
    await this.#records.flush();
    await this.#storeKeeper.close();
  }

  #snapshot(): Snapshot {
    return this.#book.edition?.snapshot ?? this.#first;
  }

  #edition(): Edition {
    const { edition } = this.#book;
    if (edition === null) throw new Error("the desk was used before its first book");
    return edition;
  }

  /** Invariants of files are looked at before their plans are made. */
  async #review(attempt: Attempt): Promise<Review> {
    const invariants = attempt.kind === "overrides" ? await this.#book.brokenBy(attempt.overrides) : [];
    const { problems, ...review } = await this.#safety.review(attempt);
    return { problems: [...invariants, ...problems], ...review };
  }

  /** Goes on with overrides that take effect step by step, if there are any. */
  #advance(): void {
    if (this.#advancing || !this.#store.overrides().some(({ stage }) => stage !== undefined)) return;
    this.#advancing = true;
    this.#door
      .advance()
      .then((taken) => {
        for (const text of taken) this.#options.log.info(`meridian: ${text}`);
      })
      .catch((cause) => this.#complaints.say("overrides do not go on to their next step", cause))
      .finally(() => {
        this.#advancing = false;
      });
  }

  /** Puts on record what has come to its end, where there is something to write it on. */
  #expire(): void {
    if (this.#storeKeeper.problem !== null) return;
    this.#door
      .expire()
      .catch((cause) => this.#complaints.say("what has come to its end is not on record", cause));
  }

  /** Writes what is written now and then; `now`: whether or not it is time. */
  #keep(now = false): void {
    this.#complaints.unless("when tokens were used is not stored", () => this.#tokens.keepUses(now));
    this.#complaints.unless("the audit list does not say who was locked out, or what was cut off", () =>
      this.#audit.keep(now),
    );
  }

  #onVerdicts(shift: Shift, replanned: readonly Replanned[]): void {
    const { flipped, revised } = shift;
    this.#log.judged(shift, replanned, this.#keeper.judged(), this.#snapshot().config);
    this.#alarms.touch();
    this.#arm();
    this.#drills.flipped(flipped);
    if (flipped.length + revised.length > 0) this.#advance();
    this.#records.judged(shift);
  }

  #override(overrides: readonly Override[], audit: readonly NewAuditEntry[]): void {
    const shift = this.#keeper.override(overrides, this.#options.nowMs());
    this.#records.overridden(overrides);
    this.#follow(shift, audit);
    this.#afterwards.note();
    this.#afterwards.look();
  }

  /** Moves the plans at once by what an operator has ordered, and logs it. */
  #follow(shift: Shift, audit: readonly NewAuditEntry[]): void {
    this.#book.shift(shift);
    this.#log.done(audit, describeMoved(this.#book.flush(), this.#snapshot().config));
    this.#alarms.touch();
    this.#arm();
  }

  #challenge(challenges: readonly Challenge[], audit: readonly NewAuditEntry[]): void {
    this.#publishChallenges(challenges);
    this.#log.done(audit);
  }

  /** The zones are not compiled again: challenges are a book of their own, of a few names. */
  #publishChallenges(challenges: readonly Challenge[]): void {
    this.#options.publisher.challenges(challengesFor(this.#snapshot(), challenges, this.#door.version()));
  }

  #onLoaded(loaded: Loaded, problems: readonly Problem[], by: Authorship): void {
    this.#roller.loaded();
    const inForce = this.#declared.loaded(loaded, problems);
    if (inForce === null) return;
    const { config } = inForce;
    const version = this.#door.version();
    this.#publishChallenges(live(this.#store.challenges(), this.#options.nowMs()));
    this.#afterwards.note();
    this.#notifier.use(inForce);
    this.#alarms.use(inForce);
    this.#ingest.use(config, version);
    this.#traffic.use(config);
    this.#records.loaded(loaded, by);
    this.#log.inForce(inForce, version, !isDeepStrictEqual(config.node, this.#first.config.node));
    this.#arm();
  }

  /** Sees to it that time moves exactly when something falls due. */
  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const nowMs = this.#options.nowMs();
    const dueMs = Math.min(this.#keeper.nextDueMs() ?? Number.POSITIVE_INFINITY, nowMs + TICK_MS);
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, dueMs - nowMs));
  }
}
