import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hexFromBytes, nullDataScript } from '@finality/bitcoin';
import { SimulatedChain, SimulatedNode } from '@finality/chain-simulator';
import { type Instant, unwrap } from '@finality/kernel';
import {
  availableAccount,
  ccpAccount,
  entryHash,
  headBytes,
  headCommitment,
  type LedgerEntry,
  type LedgerHead,
  merkleRoot,
  NO_HEAD,
  referenceTo,
  transferId,
} from '@finality/ledger';
import { afterAll, expect, it } from 'vitest';

const SCRIPT = path.join(import.meta.dirname, 'verify-proof.mjs');
const directory = mkdtempSync(path.join(tmpdir(), 'finality-anchor-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');

const entry: LedgerEntry = {
  number: 1n,
  position: 7n,
  id: transferId({ purpose: 'pay', object: 's1', life: 1 }),
  kind: 'single',
  debit: availableAccount({ kind: 'clearing', institutionId: 'bank-a' }),
  credit: ccpAccount(),
  amount: 400n,
  purpose: 'pay',
  object: 's1',
  life: 1,
  settlementId: 's1',
  recordedAt: 1_770_000_000_001 as Instant,
};

const headAfter = (previous: LedgerHead | undefined, segment: number): LedgerHead => ({
  epoch: 1,
  segment,
  previous: previous === undefined ? NO_HEAD : referenceTo(previous).hash,
  firstEntry: BigInt(segment),
  lastEntry: BigInt(segment),
  root: merkleRoot([entryHash(entry)]).toString('hex'),
  chain: '22'.repeat(32),
  position: 7n,
  eventHash: '33'.repeat(32),
  sealedAt: 1_770_000_000_002 as Instant,
});
const first = headAfter(undefined, 1);
const second = headAfter(first, 2);
const third = headAfter(second, 3);

const messageOf = (head: LedgerHead) => {
  const { sealedAt, ...fields } = head;
  return {
    head: { ...fields, sealedAtMs: sealedAt },
    signature: sign(undefined, headBytes(head), privateKey).toString('hex'),
  };
};

/** Of the easiest target on mainnet, as a header has it: no block here comes near. */
const MAINNET_BITS = 'ffff001d';

/** A block whose miner has written this head into its coinbase. */
async function blockWith(head: LedgerHead): Promise<string> {
  const chain = new SimulatedChain({ now: () => 1_770_000_000_000 });
  const [hash] = unwrap(chain.mine({ script: nullDataScript(headCommitment(referenceTo(head))) }));
  return hexFromBytes((await new SimulatedNode(chain).rawBlock(hash!))!);
}

function verify(heads: readonly LedgerHead[], block: string): { code: number | null; said: string } {
  const write = (name: string, content: unknown): string => {
    const file = path.join(directory, name);
    const text = JSON.stringify(content, (_name, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    writeFileSync(file, typeof content === 'string' ? content : text);
    return file;
  };
  const { id, debit, credit, recordedAt, ...fields } = entry;
  const proven = { ...fields, transferId: id, debitAccount: debit, creditAccount: credit, recordedAtMs: recordedAt };
  const proof = write('proof.json', { entry: proven, path: [], head: messageOf(first) });
  const args = ['--public-key', key, '--heads', write('heads.json', { heads: heads.map(messageOf) })];
  const { status, stdout, stderr } = spawnSync(process.execPath, [
    SCRIPT,
    proof,
    ...args,
    '--block',
    write('block.hex', block),
  ]);
  return { code: status, said: `${stdout.toString()}${stderr.toString()}` };
}

it('takes a block that says the head of the segment, or one that comes after it', async () => {
  expect(verify([first], await blockWith(first))).toMatchObject({
    code: 0,
    said: expect.stringContaining('with segment 1') as string,
  });
  const later = verify([first, second, third], await blockWith(third));
  expect(later).toMatchObject({ code: 0, said: expect.stringContaining('Anchored with segment 3') as string });
});

it('takes no other block, and no damaged one', async () => {
  const block = await blockWith(third);
  const nothing = expect.stringContaining('the block says nothing of this segment') as string;
  expect(verify([first, third], block)).toMatchObject({ code: 1, said: nothing });
  expect(verify([], await blockWith(headAfter(undefined, 9)))).toMatchObject({ code: 1, said: nothing });
  const at = block.indexOf('464e4c48');
  const changed = `${block.slice(0, at)}474e4c48${block.slice(at + 8)}`;
  expect(verify([first, second, third], changed).said).toContain('aren’t those of its header');
  expect(verify([first, second, third], `${block.slice(0, 144)}${MAINNET_BITS}${block.slice(152)}`).said).toContain(
    'no proof of work',
  );
  expect(verify([first], block.slice(0, -20)).said).toContain('the block ends too early');
});
