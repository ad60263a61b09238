import type {
  AccountRecord,
  ChainOutput,
  ChainView,
  CoinRecord,
  Journal,
  LedgerCut,
  SettlementRecord,
  TransactionRecord,
} from './records.ts';

export type BreakKind =
  'amount' | 'missing_in_ledger' | 'missing_on_chain' | 'duplicate' | 'ledger_unbalanced' | 'unknown_signature';

/** A difference that nothing in flight explains. */
export interface Break {
  readonly kind: BreakKind;
  /** An outpoint, an account, a settlement, `lineage/version`. */
  readonly subject: string;
  readonly expectedSats: bigint;
  readonly actualSats: bigint;
  readonly description: string;
}

/** In flight at the cut: explained, not wrong. */
export interface TimingItem {
  readonly subject: string;
  readonly amountSats: bigint;
  readonly description: string;
}

export interface Comparison {
  /** Records compared, each once. */
  readonly checked: bigint;
  readonly matched: bigint;
  readonly breaks: readonly Break[];
  readonly timing: readonly TimingItem[];
}

/** What is known about a record that was compared: nothing wrong, or what is. */
type Finding = Break | undefined;

/**
 * Ledger, chain, settlements and signatures at one cut (B1). Integers only, no tolerance; a record matches at most one other. The order of
 * the result depends on the records' order alone.
 */
export function compare(cut: LedgerCut, chain: ChainView, journal: Journal): Comparison {
  const signatures = compareSignatures(cut.transactions, journal);
  const findings = [
    ...compareBalance(cut.accounts),
    ...compareCustody(cut.accounts, chain.outputs),
    ...compareCoins(cut.coins, chain.outputs),
    ...compareSettlements(cut.settlements, chain.outputs),
    ...signatures.findings,
  ];
  const breaks = findings.filter((finding) => finding !== undefined);
  return {
    checked: BigInt(findings.length),
    matched: BigInt(findings.length - breaks.length),
    breaks,
    timing: [...settlementsInFlight(cut.settlements), ...accountsInFlight(cut.accounts), ...signatures.timing],
  };
}

/** The sum over all accounts of a unit is zero, and nothing stays with the central counterparty. */
function compareBalance(accounts: readonly AccountRecord[]): readonly Finding[] {
  const sums = new Map([[CHAIN_UNIT, 0n]]);
  for (const { unit, debits, credits } of accounts) sums.set(unit, (sums.get(unit) ?? 0n) + debits - credits);
  const balances = [...sums].map(([unit, sum]) =>
    sum === 0n ? undefined : found('ledger_unbalanced', `ledger${suffix(unit)}`, 0n, sum, `${UNEQUAL} ${unit}`),
  );
  const left = accounts
    .filter(({ account, unit }) => account === `ccp${suffix(unit)}`)
    .map(({ account, debits, credits }) =>
      debits === credits ? undefined : found('ledger_unbalanced', account, 0n, credits - debits, LEFT),
    );
  return [...balances, ...left];
}

/** What the chain moves, and accounts count whose paths name no unit. */
const CHAIN_UNIT = 'BTC';
const suffix = (unit: string): string => (unit === CHAIN_UNIT ? '' : `/${unit}`);
const UNEQUAL = 'expected equal debits and credits, in its smallest part, of all accounts that count';
const LEFT = 'expected nothing to stay with the central counterparty';

const CUSTODY = 'custody/';

/** Custody account of a wallet = its outputs unspent at the cut's block. Wallets that only one side knows count with nothing on the other. */
function compareCustody(accounts: readonly AccountRecord[], outputs: readonly ChainOutput[]): readonly Finding[] {
  const wallets = new Map<string, { ledger: bigint; chain: bigint }>();
  const side = (walletId: string): { ledger: bigint; chain: bigint } => {
    const sums = wallets.get(walletId) ?? { ledger: 0n, chain: 0n };
    wallets.set(walletId, sums);
    return sums;
  };
  for (const { account, debits, credits } of accounts) {
    if (account.startsWith(CUSTODY)) side(account.slice(CUSTODY.length)).ledger += debits - credits;
  }
  for (const { walletId, valueSats, spent } of outputs) {
    if (!spent) side(walletId).chain += valueSats;
  }
  return [...wallets].map(([walletId, { ledger, chain }]) =>
    ledger === chain
      ? undefined
      : found('amount', `${CUSTODY}${walletId}`, chain, ledger, 'expected the sum of the wallet’s unspent outputs'),
  );
}

/** Coin by coin, in both directions. */
function compareCoins(coins: readonly CoinRecord[], outputs: readonly ChainOutput[]): readonly Finding[] {
  const onChain = new Map(outputs.map((output) => [output.outpoint, output]));
  const seen = new Set<string>();
  const findings = coins.map((coin): Finding => {
    const { outpoint, valueSats } = coin;
    if (seen.has(outpoint)) {
      return found('duplicate', outpoint, 0n, valueSats, 'expected each coin once in the ledger');
    }
    seen.add(outpoint);
    return compareCoin(coin, onChain.get(outpoint));
  });
  const missing = outputs
    .filter(({ outpoint, spent }) => !spent && !seen.has(outpoint))
    .map(({ outpoint, walletId, valueSats }) => {
      return found(
        'missing_in_ledger',
        outpoint,
        valueSats,
        0n,
        `unspent output of wallet ${walletId} that the ledger doesn’t hold`,
      );
    });
  return [...findings, ...missing];
}

function compareCoin({ outpoint, walletId, valueSats, script }: CoinRecord, output: ChainOutput | undefined): Finding {
  if (!output) return found('missing_on_chain', outpoint, valueSats, 0n, 'coin of the ledger that no block has');
  if (output.spent) return found('missing_on_chain', outpoint, valueSats, 0n, 'coin of the ledger that has been spent');
  if (output.valueSats !== valueSats) {
    return found('amount', outpoint, output.valueSats, valueSats, 'expected the amount that the block says');
  }
  if (output.walletId !== walletId || (script !== '' && output.script !== script)) {
    const owner = `the output is wallet ${output.walletId}’s, not wallet ${walletId}’s, or pays another script`;
    return found('missing_on_chain', outpoint, valueSats, 0n, owner);
  }
  return undefined;
}

/** A settlement that counterparties take for settled on the chain is paid by an output of its own, to the satoshi. */
function compareSettlements(
  settlements: readonly SettlementRecord[],
  outputs: readonly ChainOutput[],
): readonly Finding[] {
  const onChain = new Map(outputs.map((output) => [output.outpoint, output]));
  const paidBy = new Map<string, string>();
  return settlements.filter(isSettledOnChain).map(({ settlementId, amountSats, payeeOutpoint }): Finding => {
    const output = onChain.get(payeeOutpoint);
    if (!output) {
      const description = `settled, but no block has its output ${payeeOutpoint || '(none is named)'}`;
      return found('missing_on_chain', settlementId, amountSats, 0n, description);
    }
    const other = paidBy.get(payeeOutpoint);
    if (other !== undefined) {
      return found(
        'duplicate',
        settlementId,
        amountSats,
        0n,
        `output ${payeeOutpoint} pays settlement ${other} already`,
      );
    }
    paidBy.set(payeeOutpoint, settlementId);
    if (output.valueSats === amountSats) return undefined;
    return found('amount', settlementId, amountSats, output.valueSats, `output ${payeeOutpoint} pays another amount`);
  });
}

const isSettledOnChain = ({ status, mode }: SettlementRecord): boolean => status === 'settled' && !isCentralized(mode);

const isCentralized = (mode: string): boolean => mode.toLowerCase().endsWith('centralized');

/** Statuses of a transaction that settlement holds the signature of. */
const SIGNED: ReadonlySet<string> = new Set(['signed', 'confirmed', 'final']);

/** Every signature, and every transaction that somebody was handed to sign, is known to settlement, and every transaction it takes for signed is in the signer's journal. */
function compareSignatures(
  transactions: readonly TransactionRecord[],
  journal: Journal,
): { readonly findings: readonly Finding[]; readonly timing: readonly TimingItem[] } {
  const known = new Map(transactions.map((transaction) => [versionOf(transaction), transaction]));
  const signed = new Map<string, string>();
  const timing: TimingItem[] = [];
  const findings: Finding[] = [];
  for (const entry of journal.entries) {
    const subject = versionOf(entry);
    const earlier = signed.get(subject);
    signed.set(subject, earlier ?? entry.txid);
    if (earlier !== undefined) {
      findings.push(found('duplicate', subject, 0n, 0n, `accepted as ${earlier} already, and again as ${entry.txid}`));
    } else if (known.get(subject)?.txid === entry.txid) {
      findings.push(undefined);
    } else if (!known.has(subject) && entry.position > journal.endBeforeCut) {
      timing.push({ subject, amountSats: 0n, description: `${entry.txid} was accepted after the cut` });
    } else {
      const description = `the signer’s journal has ${entry.txid}, settlement knows ${known.get(subject)?.txid ?? 'nothing of it'}`;
      findings.push(found('unknown_signature', subject, 0n, 0n, description));
    }
  }
  for (const transaction of transactions) {
    const subject = versionOf(transaction);
    if (signed.has(subject)) continue;
    if (SIGNED.has(transaction.status)) {
      const description = `settlement takes ${transaction.txid} for signed, the signer’s journal doesn’t have it`;
      findings.push(found('unknown_signature', subject, 0n, 0n, description));
    } else {
      timing.push({ subject, amountSats: 0n, description: `${transaction.txid} is ${transaction.status}, not signed` });
    }
  }
  return { findings, timing };
}

const versionOf = ({ lineageId, version }: { lineageId: string; version: number }): string => `${lineageId}/${version}`;

const IN_FLIGHT: ReadonlySet<string> = new Set(['awaiting_signature', 'executing', 'confirming', 'reopened']);

function settlementsInFlight(settlements: readonly SettlementRecord[]): readonly TimingItem[] {
  return settlements
    .filter(({ status }) => IN_FLIGHT.has(status))
    .map(({ settlementId, amountSats, status }) => ({
      subject: settlementId,
      amountSats,
      description: `settlement is ${status}`,
    }));
}

/** What isn't final on the chain lives in these accounts. */
function accountsInFlight(accounts: readonly AccountRecord[]): readonly TimingItem[] {
  return accounts
    .filter(({ unit }) => unit === CHAIN_UNIT)
    .filter(({ account }) => account === 'transit' || account.endsWith('/in_flight') || account.endsWith('/incoming'))
    .map(({ account, debits, credits }) => ({ subject: account, amountSats: credits - debits }))
    .filter(({ amountSats }) => amountSats !== 0n)
    .map((item) => ({ ...item, description: 'balance that isn’t final on the chain yet' }));
}

function found(kind: BreakKind, subject: string, expectedSats: bigint, actualSats: bigint, description: string): Break {
  return { kind, subject, expectedSats, actualSats, description };
}
