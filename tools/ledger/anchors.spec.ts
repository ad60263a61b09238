import { nullDataScript, parseBlock } from '@finality/bitcoin';
import { SimulatedChain, SimulatedNode } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { headCommitment, type HeadReference } from '@finality/ledger';
import { expect, it } from 'vitest';
import { type Anchor, verifyAnchors } from './anchors.ts';

const HEAD: HeadReference = { epoch: 1, segment: 3, hash: 'ab'.repeat(32) };
const LATER: HeadReference = { epoch: 2, segment: 3, hash: 'cd'.repeat(32) };
const FOREIGN = 'ef'.repeat(32);

/** A miner writes the head into its coinbase, which is a transaction as good as any. */
async function chained(head: HeadReference, depth = 6) {
  const chain = new SimulatedChain({ now: () => 1_700_000_000_000 });
  const node = new SimulatedNode(chain);
  const [block] = unwrap(chain.mine({ script: nullDataScript(headCommitment(head)) }));
  unwrap(chain.mine({ script: nullDataScript(Buffer.from('empty')), count: depth - 1 }));
  const blockHash = block!;
  const { transactions } = unwrap(parseBlock((await node.rawBlock(blockHash))!));
  const anchor: Anchor = { ...head, txid: transactions[0]!.txid, blockHash, height: 1 };
  const verify = (told: Partial<Anchor> = {}, heads: readonly HeadReference[] = [head]) =>
    verifyAnchors(node, 'regtest', [{ ...anchor, ...told }], new Map(heads.map((each) => [each.segment, each])));
  return { anchor, verify };
}

it('finds what the platform says about an anchor', async () => {
  const { anchor, verify } = await chained(HEAD);
  expect(await verify()).toEqual({ found: 1, lost: 0, last: anchor });
});

it.each<[string, Partial<Anchor>, readonly HeadReference[] | undefined, string]>([
  ['another head', {}, [{ ...HEAD, hash: FOREIGN }], 'head'],
  ['a segment that there isn’t', {}, [], 'head'],
  ['another block', { blockHash: FOREIGN }, undefined, 'block at height 1'],
  ['another height', { height: 2 }, undefined, 'block at height 2'],
  ['a height that there isn’t', { height: 99 }, undefined, 'block at height 99'],
  ['another transaction', { txid: FOREIGN }, undefined, 'transaction'],
])('names the first difference: %s', async (_what, told, heads, field) => {
  const { verify } = await chained(HEAD);
  expect(await verify(told, heads)).toMatchObject({ subject: 'the anchor of segment 3', field });
});

it('names what the chain says instead of the head', async () => {
  const { anchor, verify } = await chained({ ...HEAD, hash: FOREIGN });
  expect(await verify({ hash: HEAD.hash }, [HEAD])).toMatchObject({
    field: `outputs of ${anchor.txid}`,
    expected: nullDataScript(headCommitment(HEAD)),
  });
});

it('takes nothing for final that isn’t six deep', async () => {
  const { verify } = await chained(HEAD, 5);
  expect(await verify()).toMatchObject({ field: 'confirmations', found: '5' });
});

it('knows of pasts that were lost with a store: later epochs have other heads', async () => {
  const { verify } = await chained(HEAD);
  expect(await verify({}, [LATER])).toEqual({ found: 0, lost: 1, last: undefined });
});
