import { type ServiceName, settlementV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { SeededRandom, type SimulationServer, VirtualClock, VirtualRuntime } from '@finality/testing/simulation';
import { Calm } from './calm.ts';
import { ChainView } from './chain-view.ts';
import { check } from './checks.ts';
import { Clients } from './clients.ts';
import { Outside } from './outside.ts';
import { Owners } from './owners.ts';
import { SimulatedPlatform } from './platform.ts';
import { settleIn } from './settle-in.ts';
import { Violation } from './violation.ts';

/** Longer than payouts wait for others. */
const BLOCK_MS = 61_000;
/** From acceptance to settled, with what a crash costs. */
const BLOCKS_MAX = 20;
/** More effects than any payout has. */
const ROWS_MAX = 400;
const AMOUNT_SATS = 50_000n;
/** Reading leaves nothing behind, nor does what a transaction has done before its end. */
export const LEAVES_SOMETHING = /: (sql COMMIT|node\.sendRawTransaction|(?!sql |node\.|point ).*)$/;
/** What is asked of settlement by whoever signs for himself: what leaves something behind, and the places in between. */
export const OF_SIGNING = /^(preparePsbt|submitSignedPsbt): (sql COMMIT|(?!sql ).*)$/;
/** They go by their own time, payouts or not. */
const GOES_ON_ALWAYS = /^(settlement seal ledger|estimate-fees):/;

export interface Payouts {
  readonly mode: settlementV1.SettlementMode;
  /** Whose wallets pay, and are paid: the signer has their keys, or their owners have. */
  readonly from: 'signer' | 'owner';
  /** Which effects end a process. */
  readonly among: RegExp;
}

/** One payout, of whose effects one was the last of its process. */
export interface Crash {
  /** Who did what last before the process was gone: `settlement.payouts: signer.signTransaction`. */
  readonly after: string;
  /** How often it has been told as settled by the end: once. */
  readonly settled: number;
}

/**
 * One payout after the other, from its request to its finality; with the n-th, the service ends after the n-th of its effects that leave anything
 * behind, until one comes through to its end. What is asked without an answer is asked again; all promises are checked at the end.
 */
export async function crashEverywhere(
  server: SimulationServer,
  service: ServiceName,
  payouts: Payouts,
): Promise<readonly Crash[]> {
  const database = await server.database();
  const clock = new VirtualClock();
  const random = new SeededRandom(`crashes of ${service}`);
  const outside = await Outside.make(clock);
  const { node, chain, startHeight } = outside;
  const quiet = { repeatProbability: 0, holdProbability: 0, withoutInbox: false, anchorSeconds: 0 };
  const seat = { database, clock, random: random.fork('platform'), node, startHeight };
  const platform = await SimulatedPlatform.start({ ...seat, ...quiet });
  try {
    const clients = new Clients(platform, new VirtualRuntime(clock, random.fork('clients')));
    const owners = new Owners(clients, random.fork('owners'), { neverSigns: 0 });
    const calm = new Calm(platform, database.admin);
    const work = (): Promise<void> => calm.untilIdle(`${clock.now()} ${outside.version}`);
    await settleIn({ clients, outside, clock }, work);
    const crashes: Crash[] = [];
    for (let after = 0; after < ROWS_MAX; after++) {
      let struck: string | undefined;
      const counts = (name: string): boolean => payouts.among.test(name) && !GOES_ON_ALWAYS.test(name);
      platform.doom(service, { after, counts, struck: (name) => (struck = name) });
      const settled = await payOnce(clients, payouts, after, async () => {
        await work();
        await owners.signAll();
        await work();
        outside.mine();
        clock.advance(BLOCK_MS);
      });
      platform.doom(service, undefined);
      await work();
      if (struck === undefined) break;
      crashes.push({ after: struck, settled });
    }
    const { problems } = await check(
      { admin: database.admin, chain: new ChainView(chain, startHeight), unsigned: new Set(), countsMessages: true },
      true,
    );
    if (problems.length > 0) throw new Violation(problems);
    return crashes;
  } finally {
    await platform.stop();
    await database.drop();
  }
}

/** @returns how often the settlement became settled */
async function payOnce(
  clients: Clients,
  { mode, from: payers }: Payouts,
  number: number,
  goOn: () => Promise<void>,
): Promise<number> {
  const [one, other] = clients.institutions.filter(({ own }) => (own === undefined) === (payers === 'signer'));
  assert(one !== undefined && other !== undefined, 'there are two');
  // To and fro: neither runs out of money.
  const [from, to] = number % 2 === 0 ? [one, other] : [other, one];
  const submission = clients.submission(from, to.institutionId, mode, AMOUNT_SATS);
  const { SETTLEMENT_STATUS_SETTLED } = settlementV1.SettlementStatus;
  await clients.ask(submission);
  for (let block = 0; block < BLOCKS_MAX; block++) {
    await goOn();
    const settlementId = clients.accepted.get(submission.request.idempotencyKey);
    const settlement =
      settlementId === undefined
        ? await clients.ask(submission).then(() => undefined)
        : await clients.read(settlementId);
    if (settlement?.status === SETTLEMENT_STATUS_SETTLED)
      return settlement.transitions.filter(({ status }) => status === SETTLEMENT_STATUS_SETTLED).length;
  }
  throw new Violation([`${submission.request.idempotencyKey} isn't settled within ${BLOCKS_MAX} blocks`]);
}
