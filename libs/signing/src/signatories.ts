import type { Network, ScriptHex } from '@finality/bitcoin';
import {
  accept,
  type Aggregate,
  assertNever,
  type Decision,
  err,
  fieldError,
  type Instant,
  ok,
  refusal,
  refuse,
  type Refusal,
  type Result,
} from '@finality/kernel';
import {
  scriptOfAddress,
  type SignedStatement,
  type StatementWanted,
  STATEMENT_FIELD,
  type StatementFacts,
  statementRefusal,
} from './statement.ts';

/** Somebody who signs for an institution: known by an address, of one key or of several. */
export interface Signatory {
  readonly address: string;
  readonly script: ScriptHex;
}

export interface SignatoryRegistered {
  readonly type: 'signatory_registered';
  readonly institutionId: string;
  readonly signatory: Signatory;
  /** That its keys are there. */
  readonly proof: SignedStatement;
  /** By a signatory who was there before; without one for the first. */
  readonly endorsement?: SignedStatement;
  readonly at: Instant;
}

export interface SignatoryRevoked {
  readonly type: 'signatory_revoked';
  readonly institutionId: string;
  readonly address: string;
  /** By another signatory. */
  readonly revocation: SignedStatement;
  readonly at: Instant;
}

export type SignatoriesEvent = SignatoryRegistered | SignatoryRevoked;

export interface SignatoriesState {
  readonly signatories: readonly Signatory[];
  /** For good. */
  readonly revoked: readonly { readonly address: string; readonly at: Instant }[];
}

/** Who signs for an institution: one stream each. */
export const signatoriesAggregate: Aggregate<SignatoriesState, SignatoriesEvent> = {
  name: 'signatories',
  initialState: { signatories: [], revoked: [] },
  evolve: ({ signatories, revoked }, event) => {
    switch (event.type) {
      case 'signatory_registered':
        return { signatories: [...signatories, event.signatory], revoked };
      case 'signatory_revoked': {
        const { address, at } = event;
        return {
          signatories: signatories.filter((each) => each.address !== address),
          revoked: [...revoked, { address, at }],
        };
      }
      default:
        return assertNever(event, 'event of signatories');
    }
  },
};

/** One who asks and one who approves: taken as told when an institution is taken in. Whoever comes later is endorsed by one of them. */
export const FIRST_SIGNATORIES = 2;
export const SIGNATORIES_MAX = 20;

export interface RegisterSignatory {
  readonly institutionId: string;
  readonly address: string;
  readonly proof: SignedStatement;
  readonly endorsement?: SignedStatement;
}

/** A signatory more; one that is there already is no error. Nobody who only controls our other services can add to the first two. */
export function decideRegisterSignatory(
  command: RegisterSignatory,
  state: SignatoriesState,
  facts: StatementFacts,
): Decision<SignatoryRegistered, Refusal> {
  const { institutionId, address, proof, endorsement } = command;
  const { signatories, revoked } = state;
  const script = scriptOfAddress(address, facts.network, 'address');
  if (!script.ok) return refuse(script.error);
  if (isRevoked(state, address)) return refused('SIGNATORY_REVOKED', `${address} was revoked`);
  // Who has been there counts: revoking doesn't make room for somebody that nobody endorses.
  const isFirst = signatories.length + revoked.length < FIRST_SIGNATORIES;
  if (signatories.some((each) => each.script === script.value)) return accept();
  if (signatories.length >= SIGNATORIES_MAX)
    return refused('TOO_MANY_SIGNATORIES', `${institutionId} has ${SIGNATORIES_MAX} signatories already`);
  if (proof.signatory !== address) return refused('SIGNATURE_INVALID', `expected a proof by ${address}`);
  const about = { institutionId, address };
  const wrong = statementRefusal({ ...about, purpose: 'register signatory' }, proof, script.value, facts);
  if (wrong) return refuse(wrong);
  if (!isFirst) {
    if (!endorsement)
      return refused('ENDORSEMENT_REQUIRED', `expected an endorsement by a signatory that ${institutionId} has`);
    const by = signatoryNamed(state, { ...about, purpose: 'endorse signatory' }, endorsement.signatory, facts.network);
    if (!by.ok) return refuse(by.error);
    const other = proof.nonce === endorsement.nonce ? { ...facts, isUsed: () => true } : facts;
    const unendorsed = statementRefusal(
      { ...about, purpose: 'endorse signatory' },
      endorsement,
      by.value.script,
      other,
    );
    if (unendorsed) return refuse(unendorsed);
  }
  return accept<SignatoryRegistered>({
    type: 'signatory_registered',
    institutionId,
    signatory: { address, script: script.value },
    proof,
    ...(!isFirst && endorsement ? { endorsement } : {}),
    at: facts.now,
  });
}

export interface RevokeSignatory {
  readonly institutionId: string;
  readonly address: string;
  readonly revocation: SignedStatement;
}

/**
 * A signatory less, at once and for good, by another one: so one always remains, who can endorse a successor. One that is revoked already is no
 * error.
 */
export function decideRevokeSignatory(
  { institutionId, address, revocation }: RevokeSignatory,
  state: SignatoriesState,
  facts: StatementFacts,
): Decision<SignatoryRevoked, Refusal> {
  const about = { institutionId, address, purpose: 'revoke signatory' } as const;
  if (isRevoked(state, address)) return accept();
  const script = scriptOfAddress(address, facts.network, 'address');
  if (!script.ok) return refuse(script.error);
  if (state.signatories.every((each) => each.script !== script.value))
    return refused('UNKNOWN_SIGNATORY', `${address} is no signatory of ${institutionId}`);
  if (revocation.signatory === address)
    return refuse(refusal('permission_denied', 'REVOKED_BY_ITSELF', 'expected another signatory to revoke this one'));
  const by = signatoryNamed(state, about, revocation.signatory, facts.network);
  if (!by.ok) return refuse(by.error);
  const wrong = statementRefusal(about, revocation, by.value.script, facts);
  if (wrong) return refuse(wrong);
  return accept<SignatoryRevoked>({ type: 'signatory_revoked', institutionId, address, revocation, at: facts.now });
}

const isRevoked = ({ revoked }: SignatoriesState, address: string): boolean =>
  revoked.some((each) => each.address === address);

/** The signatory of that address, who may say so. */
export function signatoryNamed(
  state: SignatoriesState,
  { institutionId, purpose }: Pick<StatementWanted, 'institutionId' | 'purpose'>,
  address: string,
  network: Network,
): Result<Signatory, Refusal> {
  const field = `${STATEMENT_FIELD[purpose]}.signatory`;
  const script = scriptOfAddress(address, network, field);
  if (!script.ok) return script;
  const found = state.signatories.find((each) => each.script === script.value);
  if (found) return ok(found);
  if (isRevoked(state, address)) {
    const past = `${address} was revoked as a signatory of ${institutionId}`;
    return err(refusal('failed_precondition', 'SIGNATORY_REVOKED', past, { fields: [fieldError(field, past)] }));
  }
  const message = `${address} is no signatory of ${institutionId}`;
  return err(refusal('failed_precondition', 'UNKNOWN_SIGNATORY', message, { fields: [fieldError(field, message)] }));
}

const refused = (reason: string, message: string): { readonly kind: 'refused'; readonly refused: Refusal } =>
  refuse(refusal('failed_precondition', reason, message));
