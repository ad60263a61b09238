import { type Fault, verifyMessage, type ScriptHex } from '@finality/bitcoin';
import { accept, type Decision, type Instant, refuse, type Refusal } from '@finality/kernel';
import type { Challenge, ChallengeEvent, ChallengeState } from './challenge.ts';
import {
  challengeAnswered,
  challengeDiffers,
  challengeExpired,
  proofInvalid,
  unknownChallenge,
} from './wallet.errors.ts';

export interface ChallengeTerms {
  readonly challengeId: string;
  readonly institutionId: string;
  readonly descriptor: string;
  /** First external address of the wallet. */
  readonly address: string;
  readonly network: string;
  /** Who asks. */
  readonly domain: string;
  /** Random: nobody can have signed it before. */
  readonly nonce: string;
  readonly expiresAt: Instant;
}

/**
 * The challenge of these terms. Its message is one line of ASCII, which any signing device can show; what it says can't be meant for another
 * platform, institution, network, wallet or purpose.
 */
export function challengeOf(terms: ChallengeTerms): Challenge {
  const { challengeId, institutionId, descriptor, address, network, domain, nonce, expiresAt } = terms;
  const checksum = descriptor.slice(descriptor.indexOf('#') + 1);
  const message = [
    `${domain} asks for proof of control of a wallet`,
    'purpose: register wallet',
    `institution: ${institutionId}`,
    `network: ${network}`,
    `descriptor checksum: ${checksum}`,
    `address: ${address}`,
    `nonce: ${nonce}`,
    `valid until: ${Math.floor(expiresAt / 1000)} (Unix time)`,
  ].join('; ');
  return { challengeId, institutionId, descriptor, message, expiresAt };
}

export interface ChallengeAnswer {
  readonly challengeId: string;
  readonly institutionId: string;
  readonly descriptor: string;
  readonly walletId: string;
  readonly signature: string;
}

/** Whether a challenge may be answered so, by this institution, for this wallet, now. The signature itself is {@link proofRefusal}'s. */
export function decideAnswer(
  answer: ChallengeAnswer,
  state: ChallengeState,
  now: Instant,
): Decision<ChallengeEvent, Refusal> {
  const { challengeId, walletId, signature } = answer;
  if (state.status === 'none' || state.challenge.institutionId !== answer.institutionId)
    return refuse(unknownChallenge(challengeId));
  if (state.challenge.descriptor !== answer.descriptor) return refuse(challengeDiffers(challengeId));
  if (state.status === 'answered') return refuse(challengeAnswered(challengeId));
  if (now >= state.challenge.expiresAt) return refuse(challengeExpired(challengeId));
  return accept<ChallengeEvent>({ type: 'challenge_answered', walletId, signature });
}

/** Whether the signature is one of the challenge's message by the wallet's first external script (BIP322). Takes time: not for a batch. */
export function proofRefusal({ message }: Challenge, script: ScriptHex, signature: string): Refusal | undefined {
  const verified = verifyMessage(message, script, signature);
  return verified.ok ? undefined : proofInvalid(describe(verified.error));
}

const describe = ({ reason, message }: Fault<string>): string => `${message} (${reason})`;
