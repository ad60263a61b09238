import {
  type AccountId,
  availableAccount,
  clearingClaim,
  pledgeAccount,
  single,
  type SingleTransfer,
  standbyAccount,
} from '@finality/ledger';
import type { CoverSource, KnownDefault, LossShare } from '../default.ts';

type Defaulted = Pick<KnownDefault, 'defaultId' | 'institutionId' | 'unit'>;

/** Its clearing balance in the unit of the default. */
const balanceOf = ({ institutionId, unit }: Defaulted): AccountId =>
  availableAccount(clearingClaim(institutionId, unit));

const toDebt = (
  of: Defaulted,
  move: { readonly purpose: string; readonly object: string; readonly debit: AccountId; readonly amount: bigint },
): SingleTransfer => single({ ...move, life: 1, credit: balanceOf(of) });

/** From what stands for the defaulter to what it owes. */
export function covered(of: Defaulted, source: CoverSource, amount: bigint): SingleTransfer {
  const debit = coverAccount(of, source);
  return toDebt(of, { purpose: `default_${source}`, object: of.defaultId, debit, amount });
}

export function coverAccount({ institutionId, unit }: Defaulted, source: CoverSource): AccountId {
  if (source === 'standby') return standbyAccount(unit);
  return pledgeAccount(source === 'collateral' ? 'collateral' : 'default_fund', institutionId, unit);
}

/** From what somebody else has contributed. */
export function borne(of: Defaulted, { institutionId, amount }: LossShare): SingleTransfer {
  const debit = pledgeAccount('default_fund', institutionId, of.unit);
  return toDebt(of, { purpose: 'default_loss', object: `${of.defaultId}:${institutionId}`, debit, amount });
}

/** Back to what somebody else has contributed. @param life which time it is that this default pays back */
export const lossRepaid = (of: Defaulted, { institutionId, amount }: LossShare, life: number): SingleTransfer =>
  single({
    purpose: 'default_loss_repaid',
    object: `${of.defaultId}:${institutionId}`,
    life,
    debit: balanceOf(of),
    credit: pledgeAccount('default_fund', institutionId, of.unit),
    amount,
  });

/** Back to the platform's line. */
export const standbyRepaid = (of: Defaulted, amount: bigint, life: number): SingleTransfer =>
  single({
    purpose: 'default_standby_repaid',
    object: of.defaultId,
    life,
    debit: balanceOf(of),
    credit: standbyAccount(of.unit),
    amount,
  });
