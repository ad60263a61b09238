import { parseTransaction, type ParsedTransaction, type ScriptHex } from '@finality/bitcoin';
import { assertNever, err, ok, type Result, type Sats } from '@finality/kernel';
import type { SigningFacts } from './facts.ts';
import { checkPayouts } from './payouts.ts';
import { scriptOfAnchor, scriptOfPaid } from './policy.ts';
import type { DeclaredOutput, SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';
import {
  type Case,
  checkForm,
  checkInputs,
  checkLineage,
  checkOutputs,
  feeOf,
  versionOf,
} from './transaction-rules.ts';

/** A transaction that the owner of a wallet's keys is to sign. The signer only remembers it: whoever asks says what it can't derive. */
export interface HandOut {
  readonly request: SigningRequest;
  /** Whose wallet it is. */
  readonly institutionId: string;
  /** In the order of the inputs. */
  readonly inputScripts: readonly ScriptHex[];
}

export interface AcceptedHandOut {
  readonly transaction: ParsedTransaction;
  readonly feeSats: Sats;
  /** In the journal already. */
  readonly repeated: boolean;
}

/**
 * Whether a transaction may leave to the owner of its keys (DESIGN 8): in the journal from then on, beside all that the signer signs itself, it
 * binds lineages, coins and settlements just like that. What only protects the signer's own keys, such as caps of fees, isn't asked. Pure.
 */
export function decideHandOut(
  { request, institutionId, inputScripts }: HandOut,
  facts: SigningFacts,
): Result<AcceptedHandOut, Refused> {
  if (request.epoch < facts.epochHighest) {
    return err(refusedBy('EPOCH_TOO_LOW', `expected epoch ${facts.epochHighest} or later, got ${request.epoch}`));
  }
  if (facts.account(request.walletId))
    return err(refusedBy('WALLET_OF_SIGNER', `wallet ${request.walletId} is an account of ours`));
  const parsed = parseTransaction(request.unsignedTransaction);
  if (!parsed.ok) return err(refusedBy('TRANSACTION_FORM', parsed.error.message));
  const it: Case = { request, facts, transaction: parsed.value };
  const problem =
    checkLineage(it) ??
    checkForm(parsed.value) ??
    checkInputs(it, (_input, i) => inputScripts[i]!) ??
    checkOutputs(it, (output) => expectedScript(output, facts));
  if (problem) return err(problem);
  const feeSats = feeOf(it);
  if (feeSats < 0n) return err(refusedBy('OUTPUTS_EXCEED_INPUTS', `outputs are ${-feeSats} sat more than inputs`));
  const accepted = { transaction: parsed.value, feeSats: feeSats as Sats };
  if (versionOf(it)) return ok({ ...accepted, repeated: true });
  const notPayable = checkPayouts(request, { institutionId }, facts, feeSats as Sats);
  return notPayable ? err(notPayable) : ok({ ...accepted, repeated: false });
}

/** undefined: of keys that the signer hasn't got. */
function expectedScript(output: DeclaredOutput, facts: SigningFacts): Result<ScriptHex | undefined, Refused> {
  switch (output.kind) {
    case 'change':
      return ok(undefined);
    case 'anchor':
      return scriptOfAnchor(output);
    case 'head':
      return err(refusedBy('HEAD_ANCHOR_WALLET', 'expected the platform’s wallet, got one with keys of its owner'));
    case 'payee':
      return facts.account(output.walletId) || output.destinationId !== undefined
        ? scriptOfPaid(output, facts)
        : ok(undefined);
    case 'destination':
      return scriptOfPaid(output, facts);
    default:
      return assertNever(output, 'output');
  }
}
