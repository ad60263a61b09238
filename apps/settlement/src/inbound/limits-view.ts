import { settlementV1, toTimestamp } from '@finality/contracts';
import { type FieldError, fieldError, type Instant, MAX_MONEY_SATS, sats } from '@finality/kernel';
import { type Limits, type LimitsState, type Mode, usedIn, type WindowLimit, WINDOWS_MAX } from '@finality/settlement';
import { MODES } from '../store/messages.ts';

const { SETTLEMENT_MODE_UNSPECIFIED } = settlementV1.SettlementMode;
/** A leap year: nobody plans for longer. */
const WINDOW_SECONDS_MAX = 366n * 86_400n;
/** As many as anybody pays in a year; every one of them fits a number. */
const COUNT_MAX = 1_000_000_000n;

/** An institution's limits, with what counts against them at a time. */
export function limitsMessage(institutionId: string, state: LimitsState, now: Instant): settlementV1.PaymentLimits {
  if (state.status === 'none') {
    return { institutionId, version: 0n, transactions: [], windows: [], setAt: undefined, setBy: '', reason: '' };
  }
  return {
    institutionId,
    version: BigInt(state.version),
    transactions: state.transactions.map(({ mode, maxSats }) => ({ settlementMode: modeMessage(mode), maxSats })),
    windows: state.windows.map((use) => {
      const { mode, seconds, maxSats, countMax } = use.limit;
      const used = usedIn(use, now);
      return {
        settlementMode: modeMessage(mode),
        windowSeconds: BigInt(seconds),
        maxSats,
        maxCount: countMax === undefined ? undefined : BigInt(countMax),
        usedSats: used.sats,
        usedCount: BigInt(used.count),
      };
    }),
    setAt: toTimestamp(state.setAt),
    setBy: state.setBy,
    reason: state.reason,
  };
}

const modeMessage = (mode: Mode | undefined): settlementV1.SettlementMode =>
  mode === undefined ? SETTLEMENT_MODE_UNSPECIFIED : MODES[mode];

type Asked = Pick<settlementV1.SetLimitsRequest, 'transactions' | 'windows'>;

/** What is wrong with limits that are asked for. */
export function limitsProblems({ transactions, windows }: Asked): readonly (FieldError | undefined)[] {
  const modes = transactions.map(({ settlementMode }) => settlementMode);
  return [
    isDistinct(modes)
      ? undefined
      : fieldError('transactions', 'expected one limit for each mode, and one for all of them'),
    ...transactions.flatMap(({ settlementMode, maxSats }, i) => [
      checkMode(`transactions[${i}]`, settlementMode),
      checkMax(`transactions[${i}]`, maxSats),
    ]),
    windows.length <= WINDOWS_MAX
      ? undefined
      : fieldError('windows', `expected at most ${WINDOWS_MAX}, got ${windows.length}`),
    isDistinct(windows.map(({ settlementMode, windowSeconds }) => `${settlementMode} ${windowSeconds}`))
      ? undefined
      : fieldError('windows', 'expected each to be of another mode or length'),
    ...windows.slice(0, WINDOWS_MAX).flatMap((window, i) => windowProblems(`windows[${i}]`, window)),
  ];
}

function windowProblems(field: string, window: settlementV1.WindowLimit): readonly (FieldError | undefined)[] {
  const { settlementMode, windowSeconds, maxSats, maxCount = 1n } = window;
  const isLength = windowSeconds >= 1n && windowSeconds <= WINDOW_SECONDS_MAX;
  return [
    checkMode(field, settlementMode),
    isLength
      ? undefined
      : fieldError(`${field}.window_seconds`, `expected 1 to ${WINDOW_SECONDS_MAX}, got ${windowSeconds}`),
    checkMax(field, maxSats),
    maxCount >= 1n && maxCount <= COUNT_MAX
      ? undefined
      : fieldError(`${field}.max_count`, `expected none, or 1 to ${COUNT_MAX}, got ${maxCount}`),
  ];
}

const isDistinct = (all: readonly unknown[]): boolean => new Set(all).size === all.length;

function checkMode(field: string, mode: settlementV1.SettlementMode): FieldError | undefined {
  const isKnown = mode === SETTLEMENT_MODE_UNSPECIFIED || modeOf(mode) !== undefined;
  return isKnown ? undefined : fieldError(`${field}.settlement_mode`, 'expected a mode, or none for all of them');
}

function checkMax(field: string, maxSats: bigint): FieldError | undefined {
  if (maxSats >= 0n && maxSats <= MAX_MONEY_SATS) return undefined;
  return fieldError(`${field}.max_sats`, `expected 0 to ${MAX_MONEY_SATS} sat, got ${maxSats}`);
}

const modeOf = (mode: settlementV1.SettlementMode): Mode | undefined =>
  (Object.keys(MODES) as Mode[]).find((name) => MODES[name] === mode);

/** Limits in which nothing is wrong. */
export function parseLimits({ transactions, windows }: Asked): Limits {
  const inMode = ({ settlementMode }: { readonly settlementMode: settlementV1.SettlementMode }): { mode?: Mode } => {
    const mode = modeOf(settlementMode);
    return mode === undefined ? {} : { mode };
  };
  return {
    transactions: transactions.map((limit) => ({ ...inMode(limit), maxSats: sats(limit.maxSats) })),
    windows: windows.map((limit): WindowLimit => ({
      ...inMode(limit),
      seconds: Number(limit.windowSeconds),
      maxSats: sats(limit.maxSats),
      ...(limit.maxCount !== undefined && { countMax: Number(limit.maxCount) }),
    })),
  };
}
