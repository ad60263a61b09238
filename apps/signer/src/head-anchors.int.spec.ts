import 'reflect-metadata';
import { nullDataScript, verifySignatures } from '@finality/bitcoin';
import { ledgerV1, signingV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { headCommitment, type HeadReference, NO_HEAD, referenceTo } from '@finality/ledger';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { coin, type Coin, prevoutsOf, sats, scriptOf, unsigned, type Wallet } from './payout.fixture.ts';
import { attemptOn, type Signer, SignerRig } from './signer-rig.fixture.ts';

let rig: SignerRig;
let signer: Signer;
let pool: Wallet;

const INTERVAL_SECONDS = 3_600;

beforeAll(async () => {
  rig = await SignerRig.open();
  signer = await rig.start({ config: rig.config({ LEDGER_ANCHOR_SECONDS: String(INTERVAL_SECONDS) }) });
  pool = await rig.wallet(signer, 'platform', 'wpkh');
});

afterAll(() => rig.close());

/** A request that writes this head into the chain, at 500 sat. */
function anchoring(head: HeadReference, spent: Coin): signingV1.SignTransactionRequest {
  const valueSats = spent.valueSats - 500n;
  const outputs = [
    { script: nullDataScript(headCommitment(head)), valueSats: sats(0n) },
    { script: scriptOf(pool, 1, 2), valueSats: sats(valueSats) },
  ];
  return signingV1.SignTransactionRequest.fromPartial({
    lineageId: `head-${head.epoch}-${head.segment}`,
    version: 1,
    walletId: pool.walletId,
    anchor: spent.outpoint,
    unsignedTransaction: unsigned(pool, [spent], outputs),
    inputs: [{ ...spent }],
    outputs: [
      { valueSats: 0n, head },
      { valueSats, change: { index: 2 } },
    ],
    epoch: 1,
    authorisation: { payouts: [] },
  });
}

async function signed(segment: number, previous: string): Promise<HeadReference> {
  const { sealedAt, ...head } = {
    ...{ epoch: 1, segment, previous, firstEntry: BigInt(segment), lastEntry: BigInt(segment) },
    ...{ root: '11'.repeat(32), chain: '22'.repeat(32), position: BigInt(segment), eventHash: '33'.repeat(32) },
    sealedAt: rig.runtime.now(),
  };
  await signer.port.signLedgerHead(ledgerV1.LedgerHead.fromPartial({ ...head, sealedAtMs: BigInt(sealedAt) }));
  return referenceTo({ ...head, sealedAt });
}

it('anchors heads that it has signed, one in an interval, and tells the journal’s readers which', async () => {
  const first = await signed(1, NO_HEAD);
  const spent = coin(50_000n);
  expect(await attemptOn(signer, anchoring({ ...first, hash: 'ab'.repeat(32) }, spent))).toBe('HEAD_NOT_SIGNED');
  const { signedTransaction, txid } = await signer.port.signTransaction(anchoring(first, spent));
  expect(unwrap(verifySignatures(signedTransaction, prevoutsOf(pool, [spent]))).txid).toBe(txid);

  const second = await signed(2, first.hash);
  const next = anchoring(second, coin(60_000n));
  expect(await attemptOn(signer, next)).toBe('HEAD_ANCHOR_TOO_SOON');
  rig.runtime.advance(INTERVAL_SECONDS * 1_000);
  expect(await attemptOn(signer, next)).toBe('signed');

  const page = await signer.port.listSigned({ afterPosition: 0n, pageSize: 10 });
  expect(page.signed.map(({ request }) => request!.outputs[0]!.head)).toEqual([first, second]);
});

it('is refused where no interval is set, and for what can’t be a head', async () => {
  const other = await rig.start();
  const head = { epoch: 1, segment: 9, hash: 'ab'.repeat(32) };
  expect(await attemptOn(other, anchoring(head, coin(50_000n)))).toBe('HEAD_ANCHORS_OFF');
  const request = anchoring(head, coin(50_000n));
  request.outputs[0]!.head = { ...head, hash: 'no hash' };
  expect(await attemptOn(other, request)).toBe('INVALID_ARGUMENT');
});
