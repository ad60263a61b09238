import { nullDataScript, type ScriptHex } from '@finality/bitcoin';
import { headCommitment, type HeadReference } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { decideHandOut, type SigningFacts, type SigningRule } from './index.ts';
import {
  type Attempt,
  authorised,
  BANK_A,
  BANK_B,
  change,
  type Coin,
  coin,
  HEAD_FEE_MAX,
  HEADS_APART_MS,
  Journal,
  type Output,
  pay,
  POOL,
  requestOf,
  sats,
  scriptOf,
} from './red-team.fixture.ts';

/** What a compromised settlement service may try with transactions that write heads of the ledger into the chain. */

const HEAD: HeadReference = { epoch: 1, segment: 7, hash: 'ab'.repeat(32) };
const NEXT: HeadReference = { epoch: 1, segment: 8, hash: 'cd'.repeat(32) };
const says = (head: HeadReference): ScriptHex => nullDataScript(headCommitment(head));
const anchoring = (head = HEAD, script = says(head)): Output => ({
  declared: { kind: 'head', valueSats: sats(0n), head },
  script,
});
const poolChange = (value: bigint, index = 5): Output => change(value, scriptOf(POOL, 1, index), index);
const COIN = coin(POOL, 100_000n);
const attempt = (outputs: readonly Output[], inputs: readonly Coin[] = [COIN]): Attempt => ({
  lineageId: 'head-1-7',
  from: POOL,
  inputs,
  outputs,
});
const GOOD = attempt([anchoring(), poolChange(99_000n)]);
/** Of its own coin. */
const anotherOf = (head: HeadReference): Attempt => ({
  ...attempt([anchoring(head), poolChange(99_000n, 6)], [coin(POOL, 100_000n, head.segment)]),
  lineageId: `head-${head.epoch}-${head.segment}`,
});

function journal(...heads: readonly HeadReference[]): Journal {
  const made = new Journal();
  for (const head of heads) made.headSigned(head);
  return made;
}

describe('a transaction that anchors a head', () => {
  it('is signed when the head is one that was signed before, and again', () => {
    const signer = journal(HEAD);
    expect([signer.ask(GOOD), signer.ask(GOOD)]).toEqual(['signed', 'signed']);
  });

  it.each<[string, Attempt, SigningRule]>([
    [
      'says more than the head',
      attempt([anchoring(HEAD, `${says(HEAD)}00` as ScriptHex), poolChange(99_000n)]),
      'OUTPUT_SCRIPT_DIFFERS',
    ],
    [
      'says another head than it declares',
      attempt([anchoring(HEAD, says(NEXT)), poolChange(99_000n)]),
      'OUTPUT_SCRIPT_DIFFERS',
    ],
    [
      'burns money in it',
      attempt([{ ...anchoring(), valueSats: sats(1_000n) }, poolChange(98_000n)]),
      'OUTPUT_VALUE_DIFFERS',
    ],
    [
      'declares that it burns money',
      attempt([
        { declared: { kind: 'head', valueSats: sats(9n), head: HEAD }, script: says(HEAD) },
        poolChange(98_000n),
      ]),
      'OUTPUT_NOT_DECLARED',
    ],
    ['anchors two', attempt([anchoring(), anchoring(), poolChange(99_000n)]), 'HEAD_ANCHOR_FORM'],
    ['leaves nothing over', attempt([anchoring()], [coin(POOL, 1_000n)]), 'HEAD_ANCHOR_FORM'],
    [
      'pays somebody, too',
      attempt([anchoring(), pay('s-1', 50_000n), poolChange(49_000n)]),
      'AUTHORISED_PAYER_DIFFERS',
    ],
    [
      'pays an institution its own, too',
      {
        ...attempt([anchoring(), pay('s-1', 50_000n), poolChange(49_000n)]),
        payouts: authorised(pay('s-1', 50_000n)).map((payout) => ({ ...payout, payerInstitutionId: 'bank-b' })),
      },
      'HEAD_ANCHOR_FORM',
    ],
    ['has change elsewhere', attempt([anchoring(), change(99_000n, scriptOf(BANK_B, 1, 5))]), 'CHANGE_NOT_OURS'],
    [
      'pays more than the cap for heads',
      attempt([anchoring(), poolChange(100_000n - HEAD_FEE_MAX - 1n)]),
      'HEAD_ANCHOR_FEE_TOO_HIGH',
    ],
    [
      'is paid for by an institution',
      { lineageId: 'x', from: BANK_A, inputs: [coin(BANK_A, 100_000n)], outputs: [anchoring(), change(99_000n)] },
      'HEAD_ANCHOR_WALLET',
    ],
  ])('is refused when it %s', (_what, tried, rule) => {
    expect(journal(HEAD, NEXT).ask(tried)).toBe(rule);
  });

  it('is refused for a head that was never signed, or has another hash', () => {
    expect(journal().ask(GOOD)).toBe('HEAD_NOT_SIGNED');
    expect(journal({ ...HEAD, hash: NEXT.hash }).ask(GOOD)).toBe('HEAD_NOT_SIGNED');
    expect(journal({ ...HEAD, epoch: 2 }).ask(GOOD)).toBe('HEAD_NOT_SIGNED');
  });

  it('is refused where heads aren’t to be anchored', () => {
    const signer = journal(HEAD);
    signer.anchorsNoHeads();
    expect(signer.ask(GOOD)).toBe('HEAD_ANCHORS_OFF');
  });

  it('has its turn once in an interval, by the signer’s clock', () => {
    const signer = journal(HEAD, NEXT);
    expect(signer.ask(GOOD)).toBe('signed');
    signer.later(HEADS_APART_MS - 1);
    expect(signer.ask(anotherOf(NEXT))).toBe('HEAD_ANCHOR_TOO_SOON');
    signer.later(1);
    expect(signer.ask(anotherOf(NEXT))).toBe('signed');
  });

  it('is refused for a head that isn’t later than the last', () => {
    const signer = journal(HEAD, NEXT);
    expect(signer.ask(anotherOf(NEXT))).toBe('signed');
    signer.later(HEADS_APART_MS);
    expect(signer.ask(GOOD)).toBe('HEAD_ANCHORED_BEFORE');
    expect(signer.ask({ ...anotherOf(NEXT), lineageId: 'another', inputs: [coin(POOL, 100_000n, 9)] })).toBe(
      'HEAD_ANCHORED_BEFORE',
    );
  });

  it('may be replaced by a dearer one at once, with the same head and anchor', () => {
    const signer = journal(HEAD, NEXT);
    expect(signer.ask(GOOD)).toBe('signed');
    const dearer = [anchoring(), poolChange(97_000n)];
    expect(signer.ask({ ...GOOD, version: 2, outputs: [anchoring(NEXT), poolChange(97_000n)] })).toBe(
      'HEAD_OF_LINEAGE',
    );
    expect(signer.ask({ ...GOOD, version: 2, outputs: [poolChange(97_000n)] })).toBe('HEAD_OF_LINEAGE');
    expect(signer.ask({ ...GOOD, version: 2, outputs: dearer, inputs: [coin(POOL, 100_000n, 3)] })).toBe(
      'OTHER_ANCHOR_IN_LINEAGE',
    );
    expect(signer.ask({ ...GOOD, version: 2, outputs: dearer })).toBe('signed');
  });

  it('is no version of a lineage that pays', () => {
    const signer = journal(HEAD);
    const plain = { ...GOOD, lineageId: 'c-1', outputs: [poolChange(99_000n)] };
    expect(signer.ask(plain)).toBe('signed');
    expect(signer.ask({ ...GOOD, lineageId: 'c-1', version: 2 })).toBe('HEAD_OF_LINEAGE');
  });

  it('is handed out to nobody', () => {
    const facts = { epochHighest: 1, account: () => undefined, lineage: { fixed: null, versions: [], released: [] } };
    const known = { ...facts, coin: () => ({}) } as unknown as SigningFacts;
    const handOut = { request: requestOf(GOOD), institutionId: 'platform', inputScripts: [COIN.script] };
    expect(decideHandOut(handOut, known)).toMatchObject({ ok: false, error: { rule: 'HEAD_ANCHOR_WALLET' } });
  });
});
