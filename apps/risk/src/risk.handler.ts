import {
  type Batch,
  type CommandHandler,
  type Handled,
  type Session,
  type StoreCommand,
  type StoredEvent,
  streamOf,
} from '@finality/event-store';
import { assertNever } from '@finality/kernel';
import {
  type DestinationKnowledge,
  type FactorInputs,
  judge,
  type Label,
  type LabelList,
  labelsVersion,
  observeTransaction,
  type RiskRules,
  riskRulesVersion,
  scriptKey,
  type Source,
  type SourceKnowledge,
  SOURCES_MAX,
  transactionsWithin,
} from '@finality/risk';
import type { RiskBody, RiskReply, Screen } from './commands.ts';
import { projectLabelLists, readLabels, writeLabelList } from './outbound/labels.ts';
import { labelListStream, merchantStream, scriptStream, verdictStream } from './streams.ts';

export interface RiskHandlerOptions {
  readonly rules: RiskRules;
  /** Names of the lists that must be there. */
  readonly labelLists: readonly string[];
}

const ACCEPTED: Handled<RiskReply> = { kind: 'accepted', reply: undefined };

/** Screens settlements and deposits on the history in its own log, in the order of that log. */
export class RiskHandler implements CommandHandler<RiskBody, RiskWorld, RiskReply> {
  readonly #rules: RiskRules;
  readonly #rulesVersion: string;
  readonly #labelLists: readonly string[];

  constructor({ rules, labelLists }: RiskHandlerOptions) {
    this.#rules = rules;
    this.#rulesVersion = riskRulesVersion(rules);
    this.#labelLists = labelLists;
  }

  streamsOf(commands: readonly StoreCommand<RiskBody>[]): readonly string[] {
    const bodies = commands.map(({ body }) => body);
    const loaded = bodies.flatMap((body) => (body.kind === 'load_labels' ? [body.list.name] : []));
    const lists = [...this.#labelLists, ...loaded].map((name) => streamOf(labelListStream, name));
    return [...bodies.flatMap(streamsOf), ...lists];
  }

  async load(session: Session, commands: readonly StoreCommand<RiskBody>[], batch: Batch): Promise<RiskWorld> {
    const bodies = commands.map(({ body }) => body);
    await batch.loadStreams(session, this.streamsOf(commands));
    const scripts = new Set(bodies.flatMap((body) => (body.kind === 'screen' ? labelledScripts(body) : [])));
    return new RiskWorld(await readLabels(session, [...scripts], this.#labelLists));
  }

  handle({ body }: StoreCommand<RiskBody>, world: RiskWorld, batch: Batch): Handled<RiskReply> {
    switch (body.kind) {
      case 'screen':
        this.#screen(body, world, batch);
        return ACCEPTED;
      case 'count':
        count(body, batch);
        return ACCEPTED;
      case 'observe':
        observe(body, batch);
        return ACCEPTED;
      case 'load_labels':
        loadLabels(body.list, world, batch);
        return ACCEPTED;
      case 'nothing':
        return ACCEPTED;
      default:
        return assertNever(body, 'risk command');
    }
  }

  async save(session: Session, world: RiskWorld, events: readonly StoredEvent[]): Promise<void> {
    for (const list of world.listsLoaded) await writeLabelList(session, list);
    await projectLabelLists(session, events);
  }

  /** Once per subject: a second request to screen it changes nothing. */
  #screen(body: Screen, world: RiskWorld, batch: Batch): void {
    if (batch.state(verdictStream, body.subject.id).status !== 'not_screened') return;
    const lists = new Map(this.#labelLists.map((name) => [name, batch.state(labelListStream, name)]));
    const inputs: FactorInputs = {
      amountSats: body.amountSats,
      ...(body.merchantId === undefined ? {} : { history: batch.state(merchantStream, body.merchantId) }),
      sources: body.sources.map((source) => this.#knowledge(source, body, world, batch)),
      sourcesNote: body.sourcesNote,
      ...(body.paidOutside && {
        destination: { ...body.paidOutside, labels: labelsIn(world, body.paidOutside.script) },
      }),
      listsMissing: [...lists].filter(([, list]) => list.status === 'not_loaded').map(([name]) => name),
      at: batch.now,
    };
    const versions = { rules: this.#rulesVersion, labels: labelsVersion(lists) };
    const verdict = judge(body.subject, inputs, this.#rules, versions);
    const { institutions } = body;
    batch.append(verdictStream, body.subject.id, { type: 'screened', verdict, inputs, institutions });
  }

  #knowledge(source: Source, body: Screen, world: RiskWorld, batch: Batch): SourceKnowledge {
    if (source.script === '' || body.sources.length > SOURCES_MAX) return { source, transactions: 0, labels: [] };
    const activity = batch.state(scriptStream, scriptKey(source.script));
    const transactions = transactionsWithin(activity, this.#rules.busyAddress.windowMs, batch.now);
    const labels = labelsIn(world, source.script);
    const { firstSeenAt } = activity;
    return { source, transactions, labels, ...(firstSeenAt === undefined ? {} : { firstSeenAt }) };
  }
}

/** What the lists say, without what is said of the script anyway. */
const labelsIn = (world: RiskWorld, script: string): DestinationKnowledge['labels'] =>
  world.labelsOf(script).map(({ category, label, source, list }) => ({ category, label, source, list }));

/** An approved settlement's amount goes into its payee's history, once. */
function count({ settlementId, merchantId, amountSats }: Extract<RiskBody, { kind: 'count' }>, batch: Batch): void {
  if (batch.state(verdictStream, settlementId).counted) return;
  batch.append(verdictStream, settlementId, { type: 'counted' });
  batch.append(merchantStream, merchantId, { type: 'amount_observed', settlementId, amountSats });
}

function observe({ txid, scripts, at }: Extract<RiskBody, { kind: 'observe' }>, batch: Batch): void {
  for (const script of scripts) {
    const key = scriptKey(script);
    const events = observeTransaction(batch.state(scriptStream, key), { script, txid, at });
    if (events.length > 0) batch.append(scriptStream, key, ...events);
  }
}

function loadLabels(list: LabelList, world: RiskWorld, batch: Batch): void {
  const state = batch.state(labelListStream, list.name);
  if (state.status === 'loaded' && state.version === list.version) return;
  const { version, labels, quarantined } = list;
  const counts = { labels: labels.length, quarantined: quarantined.length };
  batch.append(labelListStream, list.name, { type: 'label_list_loaded', version, ...counts, at: batch.now });
  world.loaded(list);
}

function streamsOf(body: RiskBody): readonly string[] {
  switch (body.kind) {
    case 'screen':
      return [
        streamOf(verdictStream, body.subject.id),
        ...(body.merchantId === undefined ? [] : [streamOf(merchantStream, body.merchantId)]),
        ...judgedScripts(body).map((script) => streamOf(scriptStream, scriptKey(script))),
      ];
    case 'count':
      return [streamOf(verdictStream, body.settlementId), streamOf(merchantStream, body.merchantId)];
    case 'observe':
      return body.scripts.map((script) => streamOf(scriptStream, scriptKey(script)));
    case 'load_labels':
    case 'nothing':
      return [];
    default:
      return assertNever(body, 'risk command');
  }
}

function judgedScripts({ sources }: Screen): readonly string[] {
  if (sources.length > SOURCES_MAX) return [];
  return sources.flatMap(({ script }) => (script === '' ? [] : [script]));
}

const labelledScripts = (screen: Screen): readonly string[] =>
  screen.paidOutside ? [...judgedScripts(screen), screen.paidOutside.script] : judgedScripts(screen);

/** The labels of the batch's sources and destinations, kept up to date when a list is loaded within it. */
export class RiskWorld {
  readonly listsLoaded: LabelList[] = [];
  #labels: readonly Label[];

  constructor(labels: readonly Label[]) {
    this.#labels = labels;
  }

  labelsOf(script: string): readonly Label[] {
    return this.#labels.filter((label) => label.script === script);
  }

  loaded(list: LabelList): void {
    this.listsLoaded.push(list);
    this.#labels = [...this.#labels.filter((label) => label.list !== list.name), ...list.labels];
  }
}
