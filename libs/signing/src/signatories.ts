import type { Network, ScriptHex } from '@finality/bitcoin';
import {
  accept,
  type Aggregate,
  assert,
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
  type Statement,
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

export interface SignatoriesState {
  readonly signatories: readonly Signatory[];
}

/** Who signs for an institution: one stream each. */
export const signatoriesAggregate: Aggregate<SignatoriesState, SignatoryRegistered> = {
  name: 'signatories',
  initialState: { signatories: [] },
  evolve: ({ signatories }, event) => {
    assert(event.type === 'signatory_registered', `${event.type as string} isn't an event of signatories`);
    return { signatories: [...signatories, event.signatory] };
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
  const { signatories } = state;
  const script = scriptOfAddress(address, facts.network, 'address');
  if (!script.ok) return refuse(script.error);
  if (signatories.some((each) => each.script === script.value)) return accept();
  if (signatories.length >= SIGNATORIES_MAX)
    return refused('TOO_MANY_SIGNATORIES', `${institutionId} has ${SIGNATORIES_MAX} signatories already`);
  if (proof.signatory !== address) return refused('SIGNATURE_INVALID', `expected a proof by ${address}`);
  const about = { institutionId, address };
  const wrong = statementRefusal({ ...about, purpose: 'register signatory' }, proof, script.value, facts);
  if (wrong) return refuse(wrong);
  if (signatories.length >= FIRST_SIGNATORIES) {
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
    ...(signatories.length >= FIRST_SIGNATORIES && endorsement ? { endorsement } : {}),
    at: facts.now,
  });
}

/** The signatory of that address, who may say so. */
export function signatoryNamed(
  { signatories }: SignatoriesState,
  { institutionId, purpose }: Pick<Statement, 'institutionId' | 'purpose'>,
  address: string,
  network: Network,
): Result<Signatory, Refusal> {
  const field = `${STATEMENT_FIELD[purpose]}.signatory`;
  const script = scriptOfAddress(address, network, field);
  if (!script.ok) return script;
  const found = signatories.find((each) => each.script === script.value);
  if (found) return ok(found);
  const message = `${address} is no signatory of ${institutionId}`;
  return err(refusal('failed_precondition', 'UNKNOWN_SIGNATORY', message, { fields: [fieldError(field, message)] }));
}

const refused = (reason: string, message: string): Decision<SignatoryRegistered, Refusal> =>
  refuse(refusal('failed_precondition', reason, message));
