import { decodeJson, encodeJson, fieldError, refusal, type Refusal } from '@finality/kernel';
import type { IdempotencyClaim, Outcome } from './port.ts';

/** What `idempotency_keys` holds of a key that was used before. */
export interface KeptKey {
  readonly fields: string;
  readonly resourceId: string;
}

/** Names the version of the list of fields; not a field itself. */
const VERSION_FIELD = 'version';

export function claimName(claim: Pick<IdempotencyClaim, 'principal' | 'rpc' | 'key'>): string {
  return JSON.stringify([claim.principal, claim.rpc, claim.key]);
}

export function storedFields(claim: IdempotencyClaim): string {
  return encodeJson(claim.fields);
}

type Answered = Extract<Outcome<never>, { readonly kind: 'repeated' | 'refused' }>;

/** The answer to a request whose key was used before: the same resource, or a refusal naming what differs. */
export function answerRepeated(claim: IdempotencyClaim, kept: KeptKey): Answered {
  const differing = differingFields(decodeJson(kept.fields) as Record<string, string>, claim.fields);
  return differing.length === 0
    ? { kind: 'repeated', resourceId: kept.resourceId }
    : { kind: 'refused', refusal: reusedKey(claim, differing) };
}

/** Compared are the fields of both lists; fields that only one version of the list knows say nothing about the request. */
function differingFields(before: Readonly<Record<string, string>>, now: Readonly<Record<string, string>>): string[] {
  const isSameList = before[VERSION_FIELD] === now[VERSION_FIELD];
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  names.delete(VERSION_FIELD);
  return [...names]
    .filter((name) => before[name] !== now[name] && (isSameList || (name in before && name in now)))
    .sort();
}

function reusedKey(claim: IdempotencyClaim, differing: readonly string[]): Refusal {
  return refusal(
    'already_exists',
    'IDEMPOTENCY_KEY_REUSED',
    `idempotency key ${JSON.stringify(claim.key)} was used for a request that differs in ${differing.join(', ')}; send the same fields, or use a new key`,
    {
      fields: differing.map((name) =>
        fieldError(name, 'differs from the request that used this idempotency key first'),
      ),
      retryable: false,
    },
  );
}
