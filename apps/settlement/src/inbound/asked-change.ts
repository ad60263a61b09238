import type { Principal } from '@finality/kernel';
import type { IdempotencyClaim } from '@finality/event-store';
import type { Change } from '@finality/settlement';
import { type Gateway, scopeOf } from './gateway.ts';

/** A change that somebody asks for in a request in which nothing is wrong, and how the request is told from others. */
export interface AskedChange {
  readonly change: Change;
  readonly claim: Omit<IdempotencyClaim, 'principal'>;
}

/** By one person's word: refused where it takes two. @throws RefusalException */
export async function decideAlone(
  gateway: Gateway,
  { change, claim }: AskedChange,
  caller: Principal,
  call: object,
): Promise<void> {
  await gateway.decide(change, gateway.cause(caller, call), { principal: scopeOf(caller), ...claim });
}
