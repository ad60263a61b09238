import {
  type AccountId,
  availableAccount,
  pledgeAccount,
  single,
  type SingleTransfer,
  standbyAccount,
} from '@finality/ledger';
import type { CoverSource, KnownDefault, LossShare } from '../default.ts';

type Defaulted = Pick<KnownDefault, 'defaultId' | 'institutionId'>;

const toDebt = (
  { institutionId }: Defaulted,
  move: { readonly purpose: string; readonly object: string; readonly debit: AccountId; readonly amount: bigint },
): SingleTransfer => single({ ...move, life: 1, credit: availableAccount({ kind: 'clearing', institutionId }) });

/** From what stands for the defaulter to what it owes. */
export function covered(of: Defaulted, source: CoverSource, amount: bigint): SingleTransfer {
  const debit = coverAccount(of, source);
  return toDebt(of, { purpose: `default_${source}`, object: of.defaultId, debit, amount });
}

export function coverAccount({ institutionId }: Defaulted, source: CoverSource): AccountId {
  if (source === 'standby') return standbyAccount();
  return pledgeAccount(source === 'collateral' ? 'collateral' : 'default_fund', institutionId);
}

/** From what somebody else has contributed. */
export function borne(of: Defaulted, { institutionId, amountSats }: LossShare): SingleTransfer {
  const debit = pledgeAccount('default_fund', institutionId);
  return toDebt(of, { purpose: 'default_loss', object: `${of.defaultId}:${institutionId}`, debit, amount: amountSats });
}

/** Back to what somebody else has contributed. @param life which time it is that this default pays back */
export const lossRepaid = (of: Defaulted, { institutionId, amountSats }: LossShare, life: number): SingleTransfer =>
  single({
    purpose: 'default_loss_repaid',
    object: `${of.defaultId}:${institutionId}`,
    life,
    debit: availableAccount({ kind: 'clearing', institutionId: of.institutionId }),
    credit: pledgeAccount('default_fund', institutionId),
    amount: amountSats,
  });

/** Back to the platform's line. */
export const standbyRepaid = (of: Defaulted, amount: bigint, life: number): SingleTransfer =>
  single({
    purpose: 'default_standby_repaid',
    object: of.defaultId,
    life,
    debit: availableAccount({ kind: 'clearing', institutionId: of.institutionId }),
    credit: standbyAccount(),
    amount,
  });
