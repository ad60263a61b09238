import type { signingV1 } from '@finality/contracts';
import { latest, living, offered } from '@finality/settlement';
import { approved, assigned, funded, given, LISTED_WALLET, type World } from '@finality/settlement/spec';
import { describe, expect, it } from 'vitest';
import { entryOf } from './signed-transactions.ts';
import { signingRequestOf } from './signing-request.ts';

const AMOUNT_SATS = 20_000n;

/** A payout of a's to somebody, as it is offered. */
const offeredTo = (to: string, more: { readonly destinationId?: string } = {}): World =>
  given(funded('a', 'wallet', 90_000n)).when(
    (world: World) => world.submit('bilateral', 'a', to, AMOUNT_SATS, more),
    approved,
    assigned,
  ).world;

describe('what the signer has in its journal', () => {
  it.each([
    ['a custodial wallet', 'b', {}],
    ['a wallet of the payee’s own keys', 'd2', {}],
    ['a wallet of the payee’s own keys, by name', 'd2', { destinationId: LISTED_WALLET.destinationId }],
  ])('is the settlement as it was, paid to %s', (_what, to, more) => {
    const { book } = offeredTo(to, more);
    const settlement = living(book.settlements.get('s-1'));
    const lineage = offered(book.lineages.get('s-1'));
    const version = latest(lineage);
    const request = signingRequestOf(lineage, version, [settlement], { epoch: 1, network: 'regtest' });
    const entry: signingV1.SignedTransaction = {
      position: 1n,
      txid: version.txid,
      institutionId: 'a',
      feeSats: version.feeSats,
      signedAt: undefined,
      request,
      inputScripts: version.inputs.map(({ script }) => script),
      handedOut: false,
    };
    const { signed, settlements } = entryOf(entry);
    expect(settlements).toEqual([{ terms: settlement.terms, receivedAt: settlement.createdAt }]);
    const { payouts } = version;
    expect(signed.payouts).toEqual(payouts.map(({ outpoint: _none, ...payout }) => payout));
    expect(signed.outputs).toEqual(version.outputs.map(({ outpoint: _none, ...output }) => output));
  });
});
