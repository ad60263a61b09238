/** A step of a history: what happens, and three numbers that say to whom and how much. */
export interface Action {
  readonly kind: ActionKind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const ACTION_WEIGHTS = {
  pay_in: 10,
  double_spend: 4,
  child: 1,
  steal: 2,
  undo: 3,
  redo: 1,
  mine: 22,
  win: 1,
  reorg: 4,
  poll: 6,
  evict: 1,
  pin: 1,
  rescan: 1,
  notice: 3,
  submit: 8,
  reverse: 3,
  fall_due: 2,
  share: 2,
  verdict: 6,
  deposit_verdict: 6,
  approve_all: 10,
  review: 2,
  review_deposit: 1,
  withdraw: 2,
  drop: 2,
  retry: 6,
  assign: 8,
  unlist: 1,
  sign: 10,
  prepare: 5,
  cosign: 8,
  own_spend: 3,
  broadcast: 4,
  bump: 5,
  consolidate: 3,
  confirm: 3,
  release: 4,
  resolve: 4,
  agree: 6,
  dispute: 1,
  hurry: 8,
  owe: 3,
  reprioritize: 1,
  offset: 2,
  credit_line: 2,
  freeze: 0.05,
  net: 3,
  limit: 0.1,
  exchange: 4,
} as const;
export type ActionKind = keyof typeof ACTION_WEIGHTS;

/** For histories that are about payouts. */
export const PAYOUT_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  submit: 8,
  hurry: 14,
  mine: 16,
  reorg: 3,
  undo: 6,
  redo: 3,
  bump: 8,
  prepare: 3,
  cosign: 3,
  own_spend: 1,
  consolidate: 3,
  drop: 4,
  unlist: 1,
  pin: 2,
  assign: 2,
  confirm: 4,
  agree: 6,
  dispute: 1,
  steal: 1,
  broadcast: 4,
  poll: 1,
};

/** The same, and what they keep for nothing is released. */
export const RELEASE_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...PAYOUT_WEIGHTS,
  release: 10,
  pay_in: 8,
  win: 4,
  share: 6,
};

/** For histories in which versions of a lineage pay this and that, and any of them may win. */
export const VERSION_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  share: 12,
  release: 4,
  hurry: 16,
  mine: 6,
  win: 6,
  bump: 10,
  drop: 3,
  pin: 3,
  assign: 3,
  sign: 2,
  broadcast: 2,
  reorg: 2,
  redo: 1,
  undo: 1,
  confirm: 2,
  agree: 4,
};

/** For histories that are about who owes what in which window. */
export const NETTING_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  submit: 20,
  reverse: 4,
  approve_all: 14,
  verdict: 4,
  retry: 3,
  fall_due: 2,
  mine: 5,
  reorg: 1,
  hurry: 8,
  pay_in: 4,
  deposit_verdict: 4,
  net: 14,
};

/** For histories in which institutions owe each other on clearing what they haven't got. */
export const QUEUE_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  owe: 20,
  reprioritize: 4,
  offset: 6,
  credit_line: 3,
  approve_all: 4,
  retry: 6,
  withdraw: 2,
  hurry: 1,
  reverse: 1,
  pay_in: 2,
  mine: 3,
};

/** For histories in which what was drawn is due when windows have closed. */
export const DEFAULT_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  owe: 20,
  credit_line: 4,
  net: 20,
  reverse: 2,
  offset: 2,
  approve_all: 4,
  retry: 4,
  withdraw: 1,
  hurry: 1,
  pay_in: 2,
  mine: 3,
};

/** For histories of money in several units. */
export const UNIT_WEIGHTS: Readonly<Record<ActionKind, number>> = {
  ...zero(),
  exchange: 60,
  net: 2,
  verdict: 3,
  review: 1,
  approve_all: 1,
  retry: 5,
  withdraw: 1,
  reprioritize: 4,
  offset: 1,
  credit_line: 1,
  reverse: 5,
};

function zero(): Record<ActionKind, number> {
  return Object.fromEntries(Object.keys(ACTION_WEIGHTS).map((kind) => [kind, 0])) as Record<ActionKind, number>;
}
