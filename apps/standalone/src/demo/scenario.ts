import { addressV1, type ledgerV1, type reconciliationV1, settlementV1, statusName } from '@finality/contracts';
import type { RegtestNode } from '@finality/bitcoin-node';
import type { Runtime } from '@finality/kernel';
import { minerWallet } from '../chain.ts';
import { type Clients, connectClients } from '../clients.ts';
import { agree, newKey } from '../operators.ts';
import { type DemoInstitution, INSTITUTIONS, SETTLEMENTS } from './cast.ts';
import { broadcastFunding, buildFunding, type Deposit } from './faucet.ts';
import type { DemoFile } from './state.ts';
import { patiently, ScenarioFailed, until } from './wait.ts';

const { AddressPurpose } = addressV1;
const { SettlementStatus } = settlementV1;
type Settlement = settlementV1.Settlement;

const CREDITED_MS_MAX = 120_000;
const SETTLED_MS_MAX = 180_000;
const RECONCILED_MS_MAX = 60_000;
/** Time for what the last block led to, before the next is mined. */
const BLOCK_EVERY_MS = 400;

export interface ScenarioOptions {
  /** Of the gRPC API. */
  readonly address: string;
  /** Of two. */
  readonly operatorKeys: readonly [string, string];
  readonly node: RegtestNode;
  readonly file: DemoFile;
  readonly runtime: Runtime;
  readonly stopping: AbortSignal;
  /** What is being done, in a line for people. */
  readonly say: (line: string) => void;
}

export interface ScenarioResult {
  readonly settlements: readonly Settlement[];
  readonly report: reconciliationV1.Report;
  /** Where the deposits are; only when the scenario has just ended: others may have paid in and out since. */
  readonly figures:
    { readonly depositedSats: bigint; readonly claimsSats: bigint; readonly feesSats: bigint } | undefined;
  readonly institutions: readonly { readonly id: string; readonly apiKey: string }[];
}

/** What isn't used up in a settlement that goes on or went well. */
const ENDS_BADLY: ReadonlySet<settlementV1.SettlementStatus> = new Set([
  SettlementStatus.SETTLEMENT_STATUS_REJECTED,
  SettlementStatus.SETTLEMENT_STATUS_FAILED,
  SettlementStatus.SETTLEMENT_STATUS_CANCELLED,
  SettlementStatus.SETTLEMENT_STATUS_EXPIRED,
  SettlementStatus.SETTLEMENT_STATUS_REVERSED,
  SettlementStatus.SETTLEMENT_STATUS_UNDER_REVIEW,
]);

/**
 * Two institutions are created, paid in to, and settle with each other once per mode, all through the public API and a real node. Every
 * step has an idempotency key, so that it goes on where a crash interrupted it, and does nothing the second time.
 * @throws ScenarioFailed when anything isn't as it should be
 */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioResult> {
  const { address, runtime, operatorKeys, file, say } = options;
  const [operator, second] = operatorKeys.map((apiKey) => connectClients({ address, apiKey, runtime })) as [
    Clients,
    Clients,
  ];
  const banks = new Map<string, Clients>();
  try {
    for (const institution of INSTITUTIONS) {
      const apiKey = await introduce(institution, [operator, second], options);
      banks.set(institution.id, connectClients({ address, apiKey, runtime }));
    }
    const deposits = await depositAddresses(banks, options);
    await fund(deposits, operator, options);
    const settlements = await settle(banks, options);
    say('Comparing ledger, chain and counterparties');
    const report = await reconcile(operator, options);
    const figures = file.state.isDone === true ? undefined : await figuresOf(deposits, settlements, operator);
    const result: ScenarioResult = {
      settlements,
      report,
      figures,
      institutions: INSTITUTIONS.map(({ id }) => ({ id, apiKey: file.state.apiKeys[id]! })),
    };
    await verify(result, banks);
    await file.save({ ...file.state, isDone: true });
    return result;
  } finally {
    for (const clients of [operator, second, ...banks.values()]) clients.close();
  }
}

/** The institution, its wallet, and a key of its own. @returns the key */
async function introduce(
  { id, name, scriptType }: DemoInstitution,
  operators: readonly [Clients, Clients],
  { file, runtime, say }: ScenarioOptions,
): Promise<string> {
  const [operator] = operators;
  const known = file.state.apiKeys[id];
  if (known === undefined) say(`Introducing ${name}: an institution, an API key, a wallet`);
  // What has just started compares its store with the signer's journal first.
  await patiently(runtime, () =>
    operator.institutions.createInstitution({
      idempotencyKey: `demo-institution-${id}`,
      institutionId: id,
      name,
      creditLineSats: 0n,
    }),
  );
  await patiently(runtime, () =>
    operator.addresses.registerWallet({
      idempotencyKey: `demo-wallet-${id}`,
      institutionId: id,
      custodial: { scriptType },
      descriptors: undefined,
      birthdayHeight: 0,
    }),
  );
  if (known !== undefined) return known;
  // Killed before it was written down: that key is lost, and this is another one.
  const { keyId, apiKey, change } = newKey(runtime, id, 'demonstration');
  await agree(operators, change, `demo-key-${keyId}`);
  await file.save({ ...file.state, apiKeys: { ...file.state.apiKeys, [id]: apiKey } });
  return apiKey;
}

async function depositAddresses(
  banks: ReadonlyMap<string, Clients>,
  { runtime }: ScenarioOptions,
): Promise<readonly Deposit[]> {
  const deposits: Deposit[] = [];
  for (const { id, clearingSats, walletSats } of INSTITUTIONS) {
    const wanted = [
      ...clearingSats.map((valueSats) => ({ valueSats, purpose: AddressPurpose.ADDRESS_PURPOSE_CLEARING })),
      ...walletSats.map((valueSats) => ({ valueSats, purpose: AddressPurpose.ADDRESS_PURPOSE_WALLET })),
    ];
    for (const [i, { valueSats, purpose }] of wanted.entries()) {
      const idempotencyKey = `demo-address-${id}-${i}`;
      const request = {
        idempotencyKey,
        institutionId: id,
        purpose,
        label: 'first deposit',
        walletId: '',
        externalId: '',
      };
      const { address } = await patiently(runtime, () => banks.get(id)!.addresses.issueAddress(request));
      deposits.push({ address, valueSats });
    }
  }
  return deposits;
}

/** One transaction pays all deposits; it is written down before it is sent, so that it is never made twice. */
async function fund(deposits: readonly Deposit[], operator: Clients, options: ScenarioOptions): Promise<void> {
  const { node, file, say } = options;
  if (file.state.isFunded === true) return;
  say('Mining bitcoin on regtest and depositing it with both');
  if (file.state.funding === undefined) {
    await file.save({ ...file.state, funding: await buildFunding(node, minerWallet(), deposits) });
  }
  await broadcastFunding(node, file.state.funding!);
  const expectedSats = sum(deposits.map(({ valueSats }) => valueSats));
  await mineUntil('the deposits are credited', CREDITED_MS_MAX, options, async () => {
    const balances = await balancesOf(operator);
    if (balances.some(({ held }) => held > 0n)) throw new ScenarioFailed('a deposit is held by screening');
    return sum(balances.map(({ available }) => available)) === expectedSats ? true : undefined;
  });
  await file.save({ ...file.state, isFunded: true });
}

/** Submits one settlement per mode and mines until all are final. */
async function settle(banks: ReadonlyMap<string, Clients>, options: ScenarioOptions): Promise<readonly Settlement[]> {
  const { runtime, say } = options;
  say('Settling: CENTRALIZED, BILATERAL and BLOCKCHAIN');
  const submitted: Settlement[] = [];
  for (const { reference, from, to, amountSats, mode } of SETTLEMENTS) {
    const settlement = await patiently(runtime, () =>
      banks.get(from)!.settlements.submitSettlement({
        idempotencyKey: reference,
        fromInstitution: from,
        toInstitution: to,
        amountSats,
        settlementMode: mode,
        referenceId: reference,
      }),
    );
    submitted.push(settlement);
  }
  return mineUntil('all settlements are settled', SETTLED_MS_MAX, options, async () => {
    const settlements: Settlement[] = [];
    for (const { settlementId, fromInstitution } of submitted) {
      settlements.push(await banks.get(fromInstitution)!.settlements.getSettlement({ settlementId }));
    }
    const bad = settlements.find(({ status }) => ENDS_BADLY.has(status));
    if (bad)
      throw new ScenarioFailed(`settlement ${bad.referenceId} is ${statusName(bad.status)}: ${bad.reason ?? ''}`);
    const isDone = settlements.every(({ status }) => status === SettlementStatus.SETTLEMENT_STATUS_SETTLED);
    return isDone ? settlements : undefined;
  });
}

/** Only to be asked once the services have seen the last block: until then the run says that it is too early. */
function reconcile(operator: Clients, options: ScenarioOptions): Promise<reconciliationV1.Report> {
  const { runtime, stopping } = options;
  return until('reconciliation has run', { runtime, stopping, timeoutMs: RECONCILED_MS_MAX }, () =>
    patiently(runtime, () => operator.reconciliation.runReconciliation({ idempotencyKey: `demo-${runtime.id()}` })),
  );
}

async function figuresOf(
  deposits: readonly Deposit[],
  settlements: readonly Settlement[],
  operator: Clients,
): Promise<NonNullable<ScenarioResult['figures']>> {
  return {
    depositedSats: sum(deposits.map(({ valueSats }) => valueSats)),
    claimsSats: sum((await balancesOf(operator)).flatMap(amountsOf)),
    feesSats: sum(settlements.map(({ feeSats }) => feeSats)),
  };
}

async function verify(
  { report, figures, settlements }: ScenarioResult,
  banks: ReadonlyMap<string, Clients>,
): Promise<void> {
  if (report.breaks.length > 0) {
    const described = report.breaks.map(({ subject, description }) => `${subject}: ${description}`).join('; ');
    throw new ScenarioFailed(`reconciliation found ${report.breaks.length} breaks: ${described}`);
  }
  if (report.checked === 0n) throw new ScenarioFailed('reconciliation compared nothing');
  if (figures && figures.claimsSats + figures.feesSats !== figures.depositedSats) {
    const { depositedSats, claimsSats, feesSats } = figures;
    throw new ScenarioFailed(
      `${depositedSats} sat were deposited, but claims (${claimsSats}) and fees (${feesSats}) are ${claimsSats + feesSats}`,
    );
  }
  for (const settlement of settlements) {
    const { settlementId, confirmations, confirmationsRequired, toInstitution } = settlement;
    if (confirmations < confirmationsRequired) {
      throw new ScenarioFailed(
        `${settlementId} is settled with ${confirmations} of ${confirmationsRequired} confirmations`,
      );
    }
    const seen = await banks.get(toInstitution)!.settlements.getSettlement({ settlementId });
    if (
      seen.status !== settlement.status ||
      seen.amountSats !== settlement.amountSats ||
      seen.txid !== settlement.txid
    ) {
      throw new ScenarioFailed(`payer and payee see ${settlementId} differently`);
    }
  }
}

/** Mines a block every {@link BLOCK_EVERY_MS} until there is something. */
async function mineUntil<T>(
  what: string,
  timeoutMs: number,
  { node, runtime, stopping }: ScenarioOptions,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const { address } = minerWallet();
  let minedAt = Number.NEGATIVE_INFINITY;
  return until(what, { runtime, stopping, timeoutMs }, async () => {
    const found = await ask();
    if (found === undefined && runtime.monotonicMs() - minedAt > BLOCK_EVERY_MS) {
      await node.mine(1, address);
      minedAt = runtime.monotonicMs();
    }
    return found;
  });
}

async function balancesOf(operator: Clients): Promise<readonly ledgerV1.ClaimBalance[]> {
  const answers = await Promise.all(INSTITUTIONS.map(({ id }) => operator.ledger.getBalances({ institutionId: id })));
  return answers.flatMap(({ balances }) => balances);
}

const amountsOf = (balance: ledgerV1.ClaimBalance): bigint[] => [
  balance.available,
  balance.reserved,
  balance.inFlight,
  balance.incoming,
  balance.held,
];

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
