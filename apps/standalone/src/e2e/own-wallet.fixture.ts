import {
  buildPayoutTransaction,
  parseAddress,
  parseOutpointKey,
  parseTransaction,
  signTransaction,
} from '@finality/bitcoin';
import { addressV1, type settlementV1 } from '@finality/contracts';
import { assert, type Sats, unwrap } from '@finality/kernel';
import { OwnWallet as KeptWallet, type OwnWalletType, signersOf } from '../simulation/own-wallet.ts';
import { Bank, freshKey } from './bank.fixture.ts';
import type { E2e } from './e2e.fixture.ts';
import { patiently, until } from './wait.fixture.ts';

const FEE_SATS = 5_000n;
export const DEPOSIT_SATS = 3_000_000n;
export const AMOUNT_SATS = 1_000_000n;
let masters = 0x40;

/** Others each time. */
export class OwnWallet extends KeptWallet {
  constructor(type: OwnWalletType) {
    super(
      type,
      Array.from({ length: signersOf(type) }, () => ++masters),
    );
  }
}

/** Of a wallet of one key: its own software pays somebody outside from a coin at index 0, with change. In a block when this resolves. */
export async function ownSpend(
  e2e: E2e,
  own: OwnWallet,
  coin: { readonly outpoint: string; readonly valueSats: bigint; readonly paidSats: bigint },
): Promise<{ readonly changeSats: bigint }> {
  const prevout = { valueSats: coin.valueSats as Sats, script: own.script(0, 0) };
  const changeSats = coin.valueSats - coin.paidSats - FEE_SATS;
  const { unsigned } = buildPayoutTransaction({
    inputs: [{ outpoint: unwrap(parseOutpointKey(coin.outpoint)), ...prevout }],
    outputs: [
      { script: unwrap(parseAddress(e2e.outside.address, 'regtest')), valueSats: coin.paidSats as Sats },
      { script: own.script(1, 3), valueSats: changeSats as Sats },
    ],
    locktime: await e2e.outside.height(),
  });
  const signed = signTransaction({ unsigned, prevouts: [prevout], keyFor: () => own.keyOf(0, 0) });
  await e2e.outside.send(unwrap(parseTransaction(unwrap(signed).raw)));
  await e2e.outside.mine(1);
  return { changeSats };
}

/** An institution whose wallet's keys are its own, registered with proof, and caught up with. */
export async function ownBank(e2e: E2e, own: OwnWallet): Promise<Bank> {
  const bank = await e2e.bank({ wallet: 'none' });
  const { addresses } = bank.api;
  const { id: institutionId } = bank;
  const descriptors = { external: own.descriptor.text, internal: '', scriptType: 0 };
  const asked = { idempotencyKey: freshKey(), institutionId, descriptors };
  const { challengeId, message } = await patiently(() => addresses.requestWalletChallenge(asked));
  const wallet = await addresses.registerWallet({
    idempotencyKey: freshKey(),
    institutionId,
    custodial: undefined,
    descriptors,
    birthdayHeight: await e2e.outside.height(),
    proof: { challengeId, signature: own.prove(message) },
  });
  assert(wallet.kind === addressV1.WalletKind.WALLET_KIND_NON_CUSTODIAL, 'its keys are its own');
  const { apiKey, keyId } = bank;
  const registered = new Bank(e2e, { id: institutionId, apiKey, keyId, wallet });
  await until(
    `${institutionId} can see its claims`,
    () => registered.balances(),
    (balances) => balances.size === 2,
  );
  const listed = { institutionId, pageSize: 10, pageToken: '' };
  await until(
    `the wallet of ${institutionId} is watched`,
    () => addresses.listWallets(listed),
    ({ wallets }) => wallets.every(({ scanning }) => !scanning),
  );
  return registered;
}

/** Paid to an address that its owner has given out himself, in a block, and final. */
export async function fund(e2e: E2e, bank: Bank, own: OwnWallet, index = 0): Promise<string> {
  const { outpoints } = await e2e.outside.payIn({ address: own.address(index), valueSats: DEPOSIT_SATS });
  await e2e.outside.mine(3);
  await bank.deposit(outpoints[0]!, 'CREDITED');
  return outpoints[0]!;
}

/** Patiently: after a bump, addresses are asked for first. */
export const prepare = (bank: Bank, settlementId: string): Promise<settlementV1.SettlementPsbt> =>
  patiently(() => bank.api.settlements.preparePsbt({ idempotencyKey: freshKey(), settlementId }));

/** Submitted, and ready to be signed. */
export async function submitted(
  payer: Bank,
  to: Bank,
  mode: 'BILATERAL' | 'BLOCKCHAIN' = 'BLOCKCHAIN',
): Promise<string> {
  const { settlementId } = await payer.submit({ to, amountSats: AMOUNT_SATS, mode });
  await payer.settlement(settlementId, 'AWAITING_SIGNATURE');
  return settlementId;
}

/** The owner gives back what he has signed. */
export const give = (
  bank: Bank,
  settlementId: string,
  psbt: string,
  idempotencyKey = freshKey(),
): Promise<settlementV1.SettlementPsbt> =>
  bank.api.settlements.submitSignedPsbt({ idempotencyKey, settlementId, psbt });
