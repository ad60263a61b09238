interface Panel {
  readonly title: string;
  readonly unit: 'sats' | 'short' | 's';
  readonly kind?: 'stat' | 'timeseries';
  /** PromQL by legend. */
  readonly queries: Readonly<Record<string, string>>;
}

const PER_MINUTE = '5m';

/** Row by row, what is at stake first. */
const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  'At stake': [
    {
      title: 'Put in question by a reorg of so many blocks',
      unit: 'sats',
      queries: { '{{blocks}} blocks': 'max by (blocks) (finality_reorg_stake_sats)' },
    },
    {
      title: 'On its way',
      unit: 'sats',
      queries: { '{{where}}': 'max by (where) (finality_ledger_sats{where=~"incoming|in_flight|reserved"})' },
    },
    {
      title: 'Stopped: held for review, in suspense',
      unit: 'sats',
      queries: { '{{where}}': 'max by (where) (finality_ledger_sats{where=~"held|suspense"})' },
    },
    {
      title: 'In custody, available to institutions',
      unit: 'sats',
      queries: { '{{where}}': 'max by (where) (finality_ledger_sats{where=~"custody|available"})' },
    },
    { title: 'Open incidents', unit: 'short', kind: 'stat', queries: { incidents: 'max(finality_incidents_open)' } },
    {
      title: 'Reopened and reversed',
      unit: 'short',
      kind: 'stat',
      queries: { '{{status}}': 'sum by (status) (finality_settlements{status=~"reopened|reversed"})' },
    },
  ],
  Chain: [
    { title: 'Height', unit: 'short', kind: 'stat', queries: { height: 'max(finality_chain_tip_height)' } },
    { title: 'Age of the tip', unit: 's', queries: { age: 'max(finality_chain_tip_age_seconds)' } },
    {
      title: 'Blocks behind, blocks that differ',
      unit: 'short',
      queries: { behind: 'max(finality_chain_lag_blocks)', differ: 'max(finality_chain_disagreeing_blocks)' },
    },
    { title: 'To be on the chain', unit: 'short', queries: { transactions: 'max(finality_broadcasts_wanted)' } },
  ],
  Settlements: [
    {
      title: 'Changes per second',
      unit: 'short',
      queries: { '{{status}}': `sum by (status) (rate(finality_settlement_changes_total[${PER_MINUTE}]))` },
    },
    {
      title: 'From request to settled, 99 of 100',
      unit: 's',
      queries: {
        '{{mode}}': `histogram_quantile(0.99, sum by (mode, le) (rate(finality_settlement_seconds_bucket[${PER_MINUTE}])))`,
      },
    },
    {
      title: 'Waiting',
      unit: 'short',
      queries: { '{{status}}': 'sum by (status) (finality_settlements{status=~"screening|under_review|queued"})' },
    },
    {
      title: 'Messages not yet read or sent, keys parked',
      unit: 'short',
      queries: {
        'to read {{service}}': 'max by (service) (finality_consumer_lag_messages)',
        'to send {{service}}': 'max by (service) (finality_relay_lag_messages)',
        'parked {{service}}': 'max by (service) (finality_parked_keys)',
      },
    },
  ],
};

/** Grafana's way to write a unit of one's own. */
const SATS = 'suffix: sat';
const SCHEMA_VERSION = 39;
const WIDTH = 24;
const PANEL = { w: 8, h: 7 };
const PER_ROW = WIDTH / PANEL.w;
const DATASOURCE = { type: 'prometheus', uid: '$source' };

/** Grafana's JSON of a dashboard; it asks for its Prometheus when imported. */
export function dashboard(): string {
  let y = 0;
  let id = 0;
  const panels = Object.entries(ROWS).flatMap(([row, contents]) => {
    const top = y;
    y += 1 + Math.ceil(contents.length / PER_ROW) * PANEL.h;
    return [
      { id: ++id, type: 'row', title: row, collapsed: false, gridPos: { x: 0, y: top, w: WIDTH, h: 1 }, panels: [] },
      ...contents.map((panel, i) => panelOf(panel, ++id, placeOf(i, top + 1))),
    ];
  });
  const source = { name: 'source', type: 'datasource', query: 'prometheus', label: 'Prometheus' };
  const board = {
    title: 'Finality: what is at stake',
    uid: 'finality-stakes',
    tags: ['finality'],
    schemaVersion: SCHEMA_VERSION,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [source] },
    panels,
  };
  return `${JSON.stringify(board, undefined, 2)}\n`;
}

const placeOf = (i: number, top: number) => ({
  x: (i % PER_ROW) * PANEL.w,
  y: top + Math.floor(i / PER_ROW) * PANEL.h,
  ...PANEL,
});

function panelOf({ title, unit, kind = 'timeseries', queries }: Panel, id: number, gridPos: object): object {
  return {
    id,
    type: kind,
    title,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: { defaults: { unit: unit === 'sats' ? SATS : unit, min: 0 }, overrides: [] },
    targets: Object.entries(queries).map(([legendFormat, expr], i) => ({
      refId: String.fromCodePoint('A'.codePointAt(0)! + i),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}
