import { sats } from '@finality/kernel';
import { expect, it } from 'vitest';
import { type ConfirmationInputs, type ConfirmationPolicy, decideConfirmations } from './confirmation-policy.ts';

const POLICY: ConfirmationPolicy = {
  base: { deposit: 3, bilateral: 2, blockchain: 6 },
  amounts: [
    { fromSats: sats(1_000n), more: 2 },
    { fromSats: sats(5_000n), more: 10 },
  ],
  reviewed: 1,
  foreignInputs: 4,
  stale: { blocks: 5, more: 20 },
};
const INPUTS: ConfirmationInputs = {
  purpose: 'blockchain',
  amountSats: sats(999n),
  reviewed: false,
  ownInputs: true,
  staleBlocks: 4,
};

it.each<[string, Partial<ConfirmationInputs>, number]>([
  ['a payout of ours, BLOCKCHAIN', {}, 6],
  ['a payout of ours, BILATERAL', { purpose: 'bilateral' }, 2],
  ['a deposit', { purpose: 'deposit', ownInputs: false }, 7],
  ['from an amount on', { amountSats: sats(1_000n) }, 8],
  ['from a larger amount on: the larger number, not both', { amountSats: sats(5_000n) }, 16],
  ['looked at by a person', { reviewed: true }, 7],
  ['on a restless chain', { staleBlocks: 5 }, 26],
  ['all of it', { amountSats: sats(9_000n), reviewed: true, ownInputs: false, staleBlocks: 9 }, 41],
])('%s', (_what, inputs, required) => {
  const decision = decideConfirmations({ ...INPUTS, ...inputs }, POLICY);
  expect(decision).toEqual({ required, policyVersion: 1, inputs: { ...INPUTS, ...inputs } });
});

it('a restless chain counts only where the policy says so', () => {
  const { stale: _none, ...calm } = POLICY;
  expect(decideConfirmations({ ...INPUTS, staleBlocks: 1_000 }, calm).required).toBe(6);
});
