import { fieldError, type Refusal, refusal } from '@finality/kernel';

/** Refusals that pass by themselves, soon: whoever asks may wait for a moment before telling the caller. */
export const PASSING_REASONS = [
  'UNKNOWN_INSTITUTION',
  'WALLET_NOT_READY',
  'WALLET_SCANNING',
  'ADDRESS_NOT_WATCHED',
] as const;

export const unknownWallet = (walletId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_WALLET', `there is no wallet ${walletId}`, {
    fields: [fieldError('wallet_id', 'expected one of the institution’s wallets')],
  });

export const walletNotReady = (walletId: string): Refusal =>
  refusal('unavailable', 'WALLET_NOT_READY', `wallet ${walletId} still waits for its keys`, { retryable: true });

export const walletBlocked = (walletId: string, reason: string): Refusal =>
  refusal('failed_precondition', 'WALLET_BLOCKED', `wallet ${walletId} is blocked: ${reason}`);

export const walletScanning = (walletId: string): Refusal =>
  refusal('unavailable', 'WALLET_SCANNING', `wallet ${walletId} is still being scanned from its birthday`, {
    retryable: true,
  });

export const externalIdTaken = (externalId: string, differing: string): Refusal =>
  refusal('already_exists', 'EXTERNAL_ID_TAKEN', `${externalId} has an address with another ${differing}`, {
    fields: [fieldError(differing, 'expected as it was when the address was issued')],
  });

export const walletExhausted = (walletId: string): Refusal =>
  refusal('failed_precondition', 'WALLET_EXHAUSTED', `wallet ${walletId} has no index left on this branch`);

export const addressNotWatched = (walletId: string): Refusal =>
  refusal('unavailable', 'ADDRESS_NOT_WATCHED', `the next address of wallet ${walletId} isn't watched yet`, {
    retryable: true,
  });

/** News of one that has just been made may be on its way still, above all to a process that has just started. */
export const unknownInstitution = (institutionId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution ${institutionId} is known here`, {
    fields: [fieldError('institution_id', 'expected an institution of this platform')],
    retryable: true,
  });

export const institutionNotActive = (institutionId: string, status: string): Refusal =>
  refusal('failed_precondition', 'INSTITUTION_NOT_ACTIVE', `institution ${institutionId} is ${status}`);

export const walletDiffers = (walletId: string): Refusal =>
  refusal('already_exists', 'WALLET_EXISTS', `wallet ${walletId} exists already, with other properties`);

export const keysTaken = (): Refusal =>
  refusal(
    'already_exists',
    'KEYS_ALREADY_REGISTERED',
    'a wallet with these scripts is registered already: a script belongs to one institution only',
    {
      fields: [fieldError('descriptors', 'expected keys that no wallet of this platform has')],
    },
  );

export const unknownChallenge = (challengeId: string): Refusal =>
  refusal('not_found', 'UNKNOWN_CHALLENGE', `there is no challenge ${challengeId} of this institution`, {
    fields: [fieldError('proof.challenge_id', 'expected a challenge that this institution has requested')],
  });

export const challengeDiffers = (challengeId: string): Refusal =>
  refusal('failed_precondition', 'CHALLENGE_DIFFERS', `challenge ${challengeId} is for another wallet`, {
    fields: [fieldError('proof.challenge_id', 'expected a challenge for these descriptors')],
  });

export const challengeAnswered = (challengeId: string): Refusal =>
  refusal('failed_precondition', 'CHALLENGE_ANSWERED', `challenge ${challengeId} has been answered: request another`, {
    fields: [fieldError('proof.challenge_id', 'expected a challenge that wasn’t answered before')],
  });

export const challengeExpired = (challengeId: string): Refusal =>
  refusal('failed_precondition', 'CHALLENGE_EXPIRED', `challenge ${challengeId} has expired: request another`, {
    fields: [fieldError('proof.challenge_id', 'expected a challenge that hasn’t expired')],
  });

export const proofInvalid = (why: string): Refusal =>
  refusal('invalid_argument', 'PROOF_INVALID', 'the signature doesn’t prove control of the wallet', {
    fields: [fieldError('proof.signature', why)],
  });
