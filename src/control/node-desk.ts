/** The desk of a node: owns store, facts, book, door and streams, and connects them. */

import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { WebSocket } from "ws";
import type { ForwardedRequest } from "../book/messages.ts";
import type { Service } from "../config/config.ts";
import { trackedVips } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";
import { formatProblem, inRequest, type Problem } from "../problem.ts";
import { observedAs } from "../steering/cell.ts";
import type { Facts } from "../steering/facts.ts";
import { type Answer, LastGood } from "../steering/last-good.ts";
import type { MeasuredService } from "../telemetry/measured.ts";
import { Afterwards } from "./afterwards.ts";
import { AlarmDesk } from "./alarm-desk.ts";
import type { TestOutcome } from "./alarms.ts";
import { AppliedFiles } from "./applied.ts";
import { AuditKeeper, type Lock } from "./audit-keeper.ts";
import { FILE } from "./author.ts";
import { capacities, type PoolCapacity } from "./capacity.ts";
import { type Challenge, challengesFor, live } from "./challenge.ts";
import type { Authorship, ChangeOutcome, ChangeRequest } from "./change.ts";
import { Clerk } from "./clerk.ts";
import { describeFlips, describeTurned } from "./describe-flips.ts";
import type {
  AlarmsView,
  ClassView,
  ClientRtt,
  ConnectedVantage,
  DeclaredState,
  Desk,
  ExplainOutcome,
  ExplainQuestion,
  LastReload,
  ListedOverride,
  Status,
} from "./desk.ts";
import { Door } from "./door.ts";
import { Drills } from "./drills.ts";
import { EventLog } from "./event-log.ts";
import { explainName } from "./explain.ts";
import { FactKeeper, type RoundTrips } from "./fact-keeper.ts";
import { FactSaver } from "./fact-saver.ts";
import type { HistoryEntry, HistoryQuery } from "./history.ts";
import { inTurns } from "./in-turns.ts";
import { Ingest } from "./ingest.ts";
import { KeyRoller, type SignedZoneView } from "./key-roller.ts";
import { type Edition, LiveBook } from "./live-book.ts";
import { measureServices } from "./measure-services.ts";
import { describeMoved } from "./moved.ts";
import { Notifier } from "./notifier.ts";
import { isActive, type Override } from "./override.ts";
import { OverrideList } from "./override-list.ts";
import { lookAtParent } from "./parent.ts";
import { Archive, type PastOutcome } from "./past.ts";
import type { Replanned } from "./planner.ts";
import { type PreviewOutcome, preview } from "./preview.ts";
import { type ProfileWindow, TrafficProfile } from "./profile.ts";
import type { Proposal } from "./proposal.ts";
import type { Publisher } from "./publish.ts";
import { Recorder } from "./recorder.ts";
import { type RehearsalOutcome, type RehearsalRequest, rehearse, type Stage } from "./rehearse.ts";
import { Repeats } from "./repeats.ts";
import { type Attempt, FREE, type Review, Safety } from "./safety.ts";
import { beyondScope } from "./scope.ts";
import type { Shift } from "./shift.ts";
import { type Signal, SignalGate, type SignalOutcome } from "./signals.ts";
import { type Loaded, Loader, type Snapshot } from "./snapshot.ts";
import { Snapshots } from "./snapshots.ts";
import { type ServiceShares, splits } from "./splits.ts";
import { STORE_FILE } from "./sqlite-store.ts";
import { Stager } from "./stager.ts";
import type { AuditEntry, NewAuditEntry, Store, TokenRecord } from "./store.ts";
import { asFarAsAvailable, ifAvailable, StoreUnavailable } from "./store-file.ts";
import { type Restored, StoreKeeper } from "./store-keeper.ts";
import { type Authentication, TokenKeeper, type TokenOrder } from "./token-keeper.ts";
import { type StoreReport, verifyStore } from "./verify-store.ts";
import { FileWatcher } from "./watch.ts";
import { Watchers } from "./watchers.ts";

/** So long after files that are sound could not be put in force that is tried again. */
const BEGIN_AGAIN_MS = 10_000;

/** Time moves at least this often. */
const TICK_MS = 1_000;

/** So often the log says the heads of the chains, so that who keeps logs elsewhere can tell when the end of one is cut off. */
const HEADS_MS = 24 * 3_600_000;

/** How much of the traffic before says whom other files would move. */
const PREVIEW_TRAFFIC_MS = 3_600_000;

/** How much of the traffic before says whom a region's death would move. */
const CAPACITY_TRAFFIC_MS = 3_600_000;

export interface NodeDeskOptions {
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

/**
 * Opens the desk once a first book is in force. Until the files are sound it waits for them to change; dns answers from
 * its last book meanwhile.
 */
export async function openDesk(options: NodeDeskOptions): Promise<NodeDesk> {
  const { configFolder, log, publisher } = options;
  await publisher.greeted;
  let said: readonly Problem[] = [];
  for (;;) {
    const applied = new AppliedFiles(options.stateFolder);
    if (applied.problem !== null) log.error(formatProblem(applied.problem));
    const loader = new Loader(configFolder, applied);
    const loaded = await inTurns(loader.loadInSteps());
    let { problems } = loaded;
    if (loaded.value !== null) {
      const desk = new NodeDesk(options, { loader, applied, first: loaded.value });
      const outcome = await desk.begin(loaded);
      if (outcome.kind === "published") return desk;
      await desk.close();
      if (outcome.kind === "refused") problems = outcome.problems;
    }
    if (!isDeepStrictEqual(problems, said))
      log.error(
        { problems: problems.map(formatProblem) },
        "the files cannot be used; waiting until they change",
      );
    said = problems;
    // What is sound may have met with a disk that is full.
    await changeOf(loaded, loaded.value === null ? null : BEGIN_AGAIN_MS);
  }
}

/** Settles when a file that was asked for has changed, or after so long; null: no sooner. */
function changeOf({ stamps }: Loaded, atLatestMs: number | null): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
    const watcher = new FileWatcher({ onChange: settle });
    watcher.watch(stamps);
    const timer = atLatestMs === null ? undefined : setTimeout(settle, atLatestMs);
  });
}

/** What a desk begins with. */
interface Opened {
  readonly loader: Loader;
  readonly applied: AppliedFiles;
  readonly first: Snapshot;
}

/** A node's desk, with everything behind it. */
export class NodeDesk implements Desk {
  readonly #options: NodeDeskOptions;
  readonly #startedMs: number;
  readonly repeats: Repeats;
  readonly events: EventLog;
  readonly #storeKeeper: StoreKeeper;
  readonly #store: Store;
  readonly #keeper: FactKeeper;
  readonly #saver: FactSaver;
  #overridesInForce: readonly Override[];
  readonly #overrideList = new OverrideList();
  readonly #book: LiveBook;
  readonly #safety: Safety;
  readonly #door: Door;
  readonly #ingest: Ingest;
  readonly #watchers: Watchers;
  readonly drills: Drills;
  readonly #afterwards: Afterwards;
  readonly #signals: SignalGate;
  readonly #tokens: TokenKeeper;
  readonly #auditKeeper: AuditKeeper;
  readonly #recorder: Recorder;
  readonly #archive: Archive;
  readonly snapshots: Snapshots;
  readonly #clerk: Clerk;
  readonly #notifier: Notifier;
  readonly #roller: KeyRoller;
  readonly #alarms: AlarmDesk;
  /** null: the config does not want one. */
  readonly #profile: TrafficProfile | null;
  readonly #watcher: FileWatcher;
  readonly #first: Snapshot;
  readonly #applied: AppliedFiles;
  #lastReload: LastReload;
  #apiCertificateEndMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #advancing = false;
  #headsLoggedMs = Number.NEGATIVE_INFINITY;
  /** By what could not be stored, since when the store had failed. */
  readonly #complainedOf = new Map<string, number>();
  /** The files in force, and whose change they were; null: none yet. */
  #inForce: readonly [loaded: Loaded, atMs: number, by: Authorship] | null = null;
  /** Settles when the texts of the files in force are in the store. */
  #textsKept: Promise<void> = Promise.resolve();

  constructor(options: NodeDeskOptions, { loader, applied, first }: Opened) {
    const { nowMs, elapsedMs, publisher, stateFolder } = options;
    this.#options = options;
    this.#startedMs = nowMs();
    this.#lastReload = { kind: "loaded", atMs: this.#startedMs, warnings: [] };
    this.#first = first;
    this.#applied = applied;
    this.#storeKeeper = new StoreKeeper({
      folder: stateFolder,
      nowMs,
      log: options.log,
      onRestored: (restored) => this.#onRestored(restored),
    });
    this.#store = this.#storeKeeper.store;
    this.repeats = new Repeats(this.#store.repeats);
    this.events = new EventLog(this.#store, () => this.#record(this.nowMs(), Number.POSITIVE_INFINITY));
    this.#auditKeeper = new AuditKeeper(this.#store, first.config.node.audit.keepMs, nowMs);
    this.#tokens = new TokenKeeper(this.#store, nowMs, options.tokenCost);
    this.#overridesInForce = this.#store.overrides();
    const verdicts = ifAvailable(() => this.#store.facts.verdicts(), []);
    this.#keeper = new FactKeeper(first.config, this.#overridesInForce, verdicts, nowMs());
    this.#saver = new FactSaver({
      store: this.#store.facts,
      onError: (what, cause) => this.#complain(what, cause),
    });
    this.#recorder = new Recorder(this.#store.history, first.config.node.history);
    this.#recorder.overridden(this.#overridesInForce, nowMs());
    const lastGood = ifAvailable(() => this.#store.facts.lastGood(), new Map<string, Answer>());
    this.#keeper.lastGood = LastGood.restored(lastGood);
    this.#recorder.answeredByLastGood(lastGood, nowMs());
    this.#archive = new Archive({
      store: this.#store.history,
      loader,
      inForce: () => this.#edition(),
      files: () => this.#recorder.files(),
    });
    this.snapshots = new Snapshots({
      store: this.#store.history,
      configFolder: options.configFolder,
      flush: () => {
        this.#record(nowMs(), Number.POSITIVE_INFINITY);
        return this.#textsKept;
      },
      inForce: () => this.#recorder.files(),
    });
    this.#book = new LiveBook({
      keeper: this.#keeper,
      publisher,
      nowMs,
      onLastGood: (plans) => this.#keepLastGood(plans),
      onReplanned: (replanned) => {
        this.drills.replanned(replanned);
        this.#afterwards.note();
      },
      onVerdicts: (shift, replanned) => this.#onVerdicts(shift, replanned),
    });
    this.#safety = new Safety({
      inForce: () => this.#book.edition,
      keeper: this.#keeper,
      nowMs,
      // Rules hold without a store too, by what is known of traffic then.
      traffic: async (fromMs) => asFarAsAvailable((await this.profile(fromMs)) ?? []),
    });
    const stager = new Stager({
      safety: this.#safety,
      nowMs,
      config: () => this.snapshot().config,
      facts: () => this.facts(),
      overrides: () => this.#store.overrides(),
    });
    this.#door = new Door({
      stager,
      store: this.#store,
      loader,
      applied,
      nowMs,
      snapshot: () => this.snapshot(),
      versionSeen: () => publisher.versionSeen,
      beyondScope: (scope, edit) => beyondScope(scope, edit, this.#edition(), this.#store.overrides()),
      review: (attempt) => this.#review(attempt),
      moved: (attempt) => this.#safety.moved(attempt),
      override: (overrides, audit) => this.#override(overrides, audit),
      isHeldDown: (vip) => (this.#keeper.judged().get(vip)?.hold ?? null) !== null,
      release: (vips, audit) => this.#follow(this.#keeper.release(vips, nowMs()), audit),
      challenge: (challenges, audit) => this.#challenge(challenges, audit),
      replace: (snapshot, version, judge, dryRun) => this.#book.replace(snapshot, version, judge, dryRun),
      onLoaded: (loaded, problems, by) => this.#onLoaded(loaded, problems, by),
    });
    this.#ingest = new Ingest(first.config, this.#door.version(), {
      nowMs,
      take: (reports) => this.#book.shift(this.#keeper.report(reports)),
      orders: (vantage) => this.#watchers.ordersFor(vantage),
      observe: (hello, batch) => this.#watchers.take(hello, batch),
      onStream: (token, event, detail) => this.#onStream(token, event, detail),
    });
    this.#watchers = new Watchers({
      nowMs,
      send: () => this.#ingest.sendOrders(),
      agents: () => this.#ingest.agents,
    });
    this.#afterwards = new Afterwards({
      keeper: this.#keeper,
      publisher,
      nowMs,
      edition: () => this.#book.edition,
      onError: (cause) => this.#complain("dns does not know what follows when an override ends", cause),
    });
    this.drills = new Drills({
      store: this.#store.drills,
      watchers: this.#watchers,
      nowMs,
      edition: () => this.#book.edition,
      facts: () => this.facts(),
      judged: () => this.#keeper.judged(),
      overrides: () => this.#store.overrides(),
      change: (request) => this.#door.change(request),
      review: (attempt) => this.#review(attempt),
      traffic: () => this.profile(nowMs() - CAPACITY_TRAFFIC_MS),
      audit: (entry) => this.#store.exclusively(() => ({ ...entry, version: this.#door.version() })),
      log: options.log,
    });
    this.#signals = new SignalGate((signals) => this.#book.shift(this.#keeper.signal(signals, nowMs())));
    this.#clerk = new Clerk({
      snapshot: () => this.snapshot(),
      nowMs,
      update: (author, evaluate) => this.#door.update(author, evaluate),
      log: options.log,
    });
    this.#notifier = new Notifier(options);
    this.#roller = new KeyRoller({
      store: this.#store,
      snapshot: () => this.snapshot(),
      nowMs,
      elapsedMs,
      look: ({ apex }, rollover) => lookAtParent(apex, rollover, nowMs),
      log: options.log,
    });
    this.#alarms = new AlarmDesk({
      desk: this,
      store: this.#store,
      overrides: () => this.#overridesInForce,
      planner: () => this.#edition().planner,
      publisher,
      startedMs: this.#startedMs,
      log: options.log,
    });
    const { profile } = first.config.node;
    if (profile === null)
      ifAvailable(() => this.#store.profile.dropWindows(Number.MAX_SAFE_INTEGER), undefined);
    this.#profile = profile === null ? null : new TrafficProfile(this.#store.profile, profile, nowMs());
    this.#watcher = new FileWatcher({
      onChange: (files) => this.#reload(`changed: ${files.join(", ")}`),
    });
  }

  /** Reads the files now, whether they have changed or not. */
  reload(): void {
    this.#reload("asked for");
  }

  /** Publishes the first book, and lets time move from then on. */
  async begin(loaded: Loaded): Promise<ChangeOutcome> {
    const outcome = await this.#door.begin(loaded);
    if (outcome.kind === "published") this.tick();
    return outcome;
  }

  /** Lets everything that depends on the clock catch up with it, and sees to the next time. */
  tick(): void {
    const nowMs = this.#options.nowMs();
    const shift = this.#keeper.tick(nowMs);
    this.#book.shift(shift);
    if (this.#book.flush().length > 0) this.#alarms.touch();
    if (shift.rankings) this.#recorder.ranked(this.#keeper.roundTrips().rankings, nowMs);
    this.#record(nowMs);
    void this.#storeKeeper.tend();
    // Another process may have written, or another file have come in the place of this one.
    const overrides = ifAvailable(() => this.#store.overrides(), this.#overridesInForce);
    if (overrides !== this.#overridesInForce) this.#override(overrides, []);
    const hasExpired =
      overrides.some((override) => !isActive(override, nowMs)) ||
      this.#store.challenges().some(({ untilMs }) => untilMs <= nowMs) ||
      this.#store.proposals().some(({ untilMs }) => untilMs <= nowMs);
    if (hasExpired && this.#storeKeeper.problem === null) {
      this.#door
        .expire()
        .catch((cause) => this.#complain("what has come to its end is not on record", cause));
    }
    if (this.#lastReload.kind === "refused" && this.#safety.hasOpenedSince(this.#lastReload.atMs))
      this.#reload("changes may be made again");
    this.#advance();
    this.#roller.tick();
    this.#alarms.tick();
    this.drills.tick();
    this.#afterwards.look();
    void this.#takeSamples();
    this.#logHeads(nowMs);
    const tokens = ifAvailable(() => this.#tokens.prune(), null);
    if (tokens !== null) this.#ingest.keepTokens(tokens);
    this.#keepTokenUses();
    this.#keepAudit();
    this.#arm();
  }

  async close(): Promise<void> {
    this.#watcher.close();
    this.drills.close();
    this.#notifier.close();
    this.#roller.close();
    this.#alarms.close();
    this.#ingest.close();
    this.#book.flush();
    await this.#door.quiet();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#options.publisher.save();
    ifAvailable(() => this.#profile?.save(), undefined);
    this.#keepTokenUses(true);
    this.#keepAudit(true);
    this.#record(this.nowMs(), Number.POSITIVE_INFINITY);
    await this.#textsKept;
    await this.#storeKeeper.close();
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  snapshot(): Snapshot {
    return this.#book.edition?.snapshot ?? this.#first;
  }

  facts(): Facts {
    return this.#keeper.facts(this.nowMs());
  }

  verdicts(): readonly Verdict[] {
    const { verdicts } = this.facts();
    return trackedVips(this.snapshot().config).flatMap(({ vip }) => verdicts.get(vip) ?? []);
  }

  vantages(): readonly ConnectedVantage[] {
    return this.#keeper.vantageStates().map((state) => {
      return { ...state, streams: this.#ingest.streamsOf(state.vantage) };
    });
  }

  overrides(): readonly ListedOverride[] {
    return this.#overrideList.of(this.#overridesInForce, this.snapshot().config);
  }

  challenges(): readonly Challenge[] {
    return live(this.#store.challenges(), this.nowMs());
  }

  proposals(): readonly Proposal[] {
    const nowMs = this.nowMs();
    return this.#store.proposals().filter(({ untilMs }) => untilMs > nowMs);
  }

  signedZones(): readonly SignedZoneView[] {
    return this.#roller.views();
  }

  audit(limit: number, before: number | null): readonly AuditEntry[] {
    return this.#store.audit.list(limit, before);
  }

  verify(heads: readonly string[]): Promise<StoreReport> {
    return inTurns(verifyStore(join(this.#options.stateFolder, STORE_FILE), heads));
  }

  past(atMs: number): Promise<PastOutcome> {
    this.#record(this.nowMs(), Number.POSITIVE_INFINITY);
    return this.#archive.at(atMs);
  }

  history(query: HistoryQuery): readonly HistoryEntry[] {
    this.#record(this.nowMs(), Number.POSITIVE_INFINITY);
    return this.#store.history.list(query);
  }

  status(): Status {
    return {
      version: this.#door.version(),
      adoptedVersion: this.#options.publisher.versionServed,
      startedMs: this.#startedMs,
      reportsTaken: this.#ingest.reportsTaken,
      transfers: this.#clerk.transfers,
      notifies: this.#notifier.outcomes,
      lastReload: this.#lastReload,
      apiCertificateEndMs: this.#apiCertificateEndMs,
      store: {
        problem: this.#storeKeeper.problem,
        unrecorded: this.#storeKeeper.unrecorded,
        isJournaled: this.#storeKeeper.isJournaled,
      },
      declared: this.#declared(),
    };
  }

  classes(service: Service): readonly ClassView[] {
    const { planner } = this.#edition();
    const locations = planner.splitFor(service)?.partition.representatives ?? [];
    return planner.plansFor(service).flatMap((plans, number) => {
      const clients = locations[number];
      return clients === undefined ? [] : [{ clients, plans }];
    });
  }

  #declared(): DeclaredState {
    const { source } = this.#first.config.node;
    const { current } = this.#applied;
    const by = source === "api" || current?.kind === "rollback" ? current : null;
    const isRolledBack = source === "files" && by !== null;
    const drift = isRolledBack
      ? `version ${by.version} is in force by a rollback, and the files on disk are others`
      : this.#lastReload.kind === "refused"
        ? "the files on disk are refused, and those from before are in force"
        : null;
    return { source, by, drift };
  }

  async preview(texts: ReadonlyMap<string, string>): Promise<PreviewOutcome> {
    const version = this.#door.version();
    const inForce = await this.snapshots.texts(this.#recorder.files()?.version ?? 0);
    if (inForce.kind === "missing") return { kind: "refused", problems: [inRequest(inForce.message)] };
    const fromMs = this.nowMs() - PREVIEW_TRAFFIC_MS;
    const stage = await this.#stage(fromMs);
    return preview(texts, {
      version,
      snapshot: this.snapshot(),
      inForce: inForce.value,
      load: (given) => this.#door.load(given),
      review: async (proposed) => {
        let reviewed = FREE;
        const problems = await this.#book.problemsOf(proposed, async (ruled) => {
          reviewed = await this.#review({ kind: "files", ruled });
          return [];
        });
        return { problems, reviewed };
      },
      rehearse: (loaded, isEven) =>
        rehearse({ config: "", supposed: [], fromMs, isEven }, { ...stage, load: async () => loaded }),
    });
  }

  explain(question: ExplainQuestion): ExplainOutcome {
    return explainName(this.#edition(), this.facts(), question);
  }

  observe(observations: readonly ClientRtt[]): void {
    const { atlas } = this.snapshot();
    const atMs = this.nowMs();
    this.#keeper.observe(
      observations.map(({ prefix, ...rtt }) => ({
        ...rtt,
        as: observedAs(atlas.locate(prefix.address)),
        atMs,
      })),
    );
  }

  roundTrips(): RoundTrips {
    return this.#keeper.roundTrips();
  }

  counters(): Promise<readonly number[]> {
    return this.#options.publisher.counters();
  }

  async profile(fromMs: number): Promise<Iterable<ProfileWindow> | null> {
    await this.#takeSamples();
    return this.#profile?.windows(fromMs) ?? null;
  }

  async splits(fromMs: number): Promise<readonly ServiceShares[] | null> {
    const windows = await this.profile(fromMs);
    const { planner, snapshot } = this.#edition();
    return windows === null ? null : inTurns(splits(planner, snapshot.config, windows));
  }

  async rehearse(request: RehearsalRequest): Promise<RehearsalOutcome> {
    return rehearse(request, await this.#stage(request.fromMs));
  }

  async #stage(fromMs: number): Promise<Stage> {
    return {
      edition: this.#edition(),
      keeper: this.#keeper,
      nowMs: this.nowMs(),
      load: (config) => this.#door.load(config),
      windows: await this.profile(fromMs),
    };
  }

  change(request: ChangeRequest): Promise<ChangeOutcome> {
    return this.#door.change(request);
  }

  /** The messages of the reply to a request that dns leaves to control. */
  reply(request: ForwardedRequest): AsyncGenerator<Uint8Array> {
    return this.#clerk.reply(request);
  }

  async capacities(): Promise<readonly PoolCapacity[]> {
    const windows = await this.profile(this.nowMs() - CAPACITY_TRAFFIC_MS);
    const { planner, snapshot } = this.#edition();
    return inTurns(capacities(planner, this.facts(), snapshot.config, windows ?? []));
  }

  alarms(): AlarmsView {
    return this.#alarms.view();
  }

  measureServices(): Promise<readonly MeasuredService[]> {
    const { planner, snapshot } = this.#edition();
    const answersOf = (service: string) => this.#profile?.answersOf(service) ?? new Map();
    return inTurns(measureServices(planner, snapshot.config, answersOf));
  }

  testAlarm(destination: string): Promise<TestOutcome> {
    return this.#alarms.test(destination);
  }

  noteCertificate(endMs: number): void {
    this.#apiCertificateEndMs = endMs;
  }

  signal(token: TokenRecord, signals: readonly Signal[]): SignalOutcome {
    return this.#signals.take(token, signals, this.snapshot().config, this.nowMs());
  }

  authenticate(secret: string, source: string): Promise<Authentication> {
    return this.#tokens.authenticate(secret, source);
  }

  honours(token: TokenRecord): boolean {
    return this.#tokens.honours(token);
  }

  tokens(): readonly TokenRecord[] {
    return this.#tokens.list();
  }

  addToken(order: TokenOrder, author: string): Promise<string | null> {
    return this.#tokens.add(order, author);
  }

  removeToken(name: string, author: string): boolean {
    return this.#tokens.remove(name, author);
  }

  lockedOut(address: string, lock: Lock): void {
    const until = new Date(lock.untilMs).toISOString();
    this.#options.log.warn(
      `API: ${address} is locked out until ${until}: ${lock.failures} tokens are not known`,
    );
    try {
      this.#auditKeeper.lockedOut(address, lock);
    } catch (cause) {
      this.#complain("that an address was locked out is not on record", cause);
    }
  }

  acceptAgent(socket: WebSocket, token: TokenRecord): void {
    this.#ingest.accept(socket, token);
  }

  /** What has come in of traffic until now goes into the profile. */
  async #takeSamples(): Promise<void> {
    if (this.#profile === null) return;
    try {
      this.#profile.take(await this.#options.publisher.samples());
    } catch (cause) {
      this.#complain("the profile of traffic is not kept", cause);
    }
  }

  #keepTokenUses(now = false): void {
    try {
      this.#tokens.keepUses(now);
    } catch (cause) {
      this.#complain("when tokens were used is not stored", cause);
    }
  }

  #keepAudit(now = false): void {
    try {
      this.#auditKeeper.keep(now);
    } catch (cause) {
      this.#complain("the audit list does not say who was locked out, or what was cut off", cause);
    }
  }

  #logHeads(nowMs: number): void {
    if (nowMs < this.#headsLoggedMs + HEADS_MS) return;
    const store = this.#store;
    const heads = ifAvailable(() => ({ audit: store.audit.head(), history: store.history.head() }), null);
    if (heads === null) return;
    this.#headsLoggedMs = nowMs;
    for (const [chain, head] of Object.entries(heads))
      if (head !== null) this.#options.log.info(`head of the ${chain}: ${head.sequence} ${head.hash}`);
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
      .catch((cause) => this.#complain("overrides do not go on to their next step", cause))
      .finally(() => {
        this.#advancing = false;
      });
  }

  #edition(): Edition {
    const { edition } = this.#book;
    if (edition === null) throw new Error("the desk was used before its first book");
    return edition;
  }

  #reload(reason: string): void {
    this.#door
      .change({ author: FILE, reason, edit: { kind: "reload" }, ifVersion: null })
      .catch((cause) => this.#complain("the files were not loaded to the end", cause));
  }

  /** The store holds what it held before it failed; or something else, and then it is told anew what is so. */
  #onRestored({ isNew }: Restored): void {
    if (isNew) {
      const judged = [...this.#keeper.judged().values()];
      this.#saver.judged(judged.filter(({ up, recovering }) => !up || recovering));
      this.#recorder.beginAgain();
      if (this.#inForce !== null) this.#recordFiles(...this.#inForce);
    }
    this.#saver.save();
  }

  /**
   * A store that fails must not keep anybody from failing over: what could not be stored is logged, once for as long as that lasts, and
   * work goes on.
   */
  #complain(what: string, cause: unknown): void {
    if (cause instanceof StoreUnavailable) {
      if (this.#complainedOf.get(what) === cause.problem.sinceMs) return;
      this.#complainedOf.set(what, cause.problem.sinceMs);
    }
    this.#options.log.error({ cause: String(cause) }, what);
  }

  /** In one line: who was judged, by whom, why, and what moved. What a restart must not forget is stored. */
  #onVerdicts({ flipped, revised, turned }: Shift, replanned: readonly Replanned[]): void {
    const { config } = this.snapshot();
    const moved = describeMoved(replanned, config);
    if (flipped.length > 0) {
      this.#options.log.warn(`${describeFlips(flipped, config)}; moved: ${moved ?? "nothing"}`);
    } else if (turned.length > 0 && moved !== null) {
      this.#options.log.warn(`${describeTurned(turned, this.#keeper.judged())}; moved: ${moved}`);
    }
    this.#alarms.touch();
    this.#arm();
    const votedOn = turned.flatMap(({ vip }) => this.#keeper.judged().get(vip) ?? []);
    this.#recorder.judged([...flipped, ...revised, ...votedOn], this.nowMs());
    this.drills.flipped(flipped);
    if (flipped.length + revised.length > 0) this.#advance();
    const memorable = [...flipped, ...revised.filter(({ up }) => !up)];
    if (memorable.length > 0) this.#saver.judged(memorable);
  }

  #keepLastGood(plans: ReadonlyMap<string, Answer>): void {
    this.#recorder.answeredByLastGood(plans, this.nowMs());
    this.#saver.answeredByLastGood(plans);
  }

  #override(overrides: readonly Override[], audit: readonly NewAuditEntry[]): void {
    const atMs = this.nowMs();
    this.#overridesInForce = overrides;
    this.#recorder.overridden(overrides, atMs);
    this.#follow(this.#keeper.override(overrides, atMs), audit);
    this.#afterwards.note();
    this.#afterwards.look();
  }

  /** Writes what has changed, once it is in answers; of much no more at once than `most`. */
  #record(nowMs: number, most?: number): void {
    try {
      this.#recorder.flush(nowMs, most);
    } catch (cause) {
      this.#complain("the history has a gap: what changes now is not on record", cause);
    }
  }

  /** Moves the plans at once by what an operator has ordered, and logs it. */
  #follow(shift: Shift, audit: readonly NewAuditEntry[]): void {
    this.#book.shift(shift);
    const moved = describeMoved(this.#book.flush(), this.snapshot().config) ?? "nothing";
    this.#alarms.touch();
    for (const { author, event, detail, reason, version } of audit) {
      const level = event === "change-forced" ? "warn" : "info";
      this.#options.log[level]({ version }, `${author}: ${event}: ${detail} (${reason}); moved: ${moved}`);
    }
    this.#arm();
  }

  #challenge(challenges: readonly Challenge[], audit: readonly NewAuditEntry[]): void {
    this.#publishChallenges(challenges);
    for (const { author, event, detail, reason, version } of audit)
      this.#options.log.info({ version }, `${author}: ${event}: ${detail} (${reason})`);
  }

  /** The zones are not compiled again: challenges are a book of their own, of a few names. */
  #publishChallenges(challenges: readonly Challenge[]): void {
    this.#options.publisher.challenges(challengesFor(this.snapshot(), challenges, this.#door.version()));
  }

  #onLoaded(loaded: Loaded, problems: readonly Problem[], by: Authorship): void {
    const { log } = this.#options;
    const atMs = this.nowMs();
    const { warnings, stamps, value } = loaded;
    this.#watcher.watch(stamps);
    this.#roller.loaded();
    for (const warning of warnings) log.error(formatProblem(warning));
    if (problems.length > 0 || value === null) {
      this.#lastReload = { kind: "refused", atMs, problems };
      log.error(
        { problems: problems.map(formatProblem) },
        "the files cannot be used; those read before stay in force",
      );
      return;
    }
    this.#lastReload = { kind: "loaded", atMs, warnings };
    this.#publishChallenges(this.challenges());
    this.#afterwards.note();
    this.#notifier.use(value);
    this.#alarms.use(value);
    const { config } = value;
    this.#ingest.use(config, this.#door.version());
    this.#profile?.use(this.#options.publisher.versionServed, config);
    this.#inForce = [loaded, atMs, by];
    this.#recordFiles(loaded, atMs, by);
    const isKnown = (key: string): boolean => this.#keeper.lastGood.knows(key);
    ifAvailable(() => {
      this.#store.facts.keepVerdicts(new Set(trackedVips(config).map(({ vip }) => vip)));
      this.#store.facts.keepLastGood(isKnown);
    }, undefined);
    this.#recorder.forgetLastGood(isKnown, atMs);
    log.info(
      { version: this.#door.version(), zones: value.zones.length, services: config.services.length },
      `${config.file} is in force`,
    );
    if (!isDeepStrictEqual(config.node, this.#first.config.node)) {
      log.warn(
        `the section "node" of ${config.file} has changed; that takes effect with \`meridian upgrade\`, or when this node is started again`,
      );
    }
    this.#arm();
  }

  #recordFiles({ files }: Loaded, atMs: number, { author, reason }: Authorship): void {
    const { rankings } = this.#keeper.roundTrips();
    this.#recorder.ranked(rankings, atMs);
    this.#textsKept = this.#recorder
      .loaded({ version: this.#door.version(), author, reason }, files, this.#keeper.judged(), atMs)
      .catch((cause) =>
        this.#complain("the files in force are not kept: answers by them cannot be explained later", cause),
      );
  }

  #onStream(token: string, event: "opened" | "closed" | "refused", detail: string): void {
    const text = `agent ${token}: stream ${event}${detail === "" ? "" : `, ${detail}`}`;
    if (event === "opened") this.#options.log.info(text);
    else this.#options.log.warn(text);
  }

  /** Sees to it that time moves exactly when something falls due. */
  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const nowMs = this.nowMs();
    const dueMs = Math.min(this.#keeper.nextDueMs() ?? Number.POSITIVE_INFINITY, nowMs + TICK_MS);
    this.#timer = setTimeout(() => this.tick(), Math.max(1, dueMs - nowMs));
  }
}
