import { googleRpc } from '@finality/contracts';
import { fieldError, invalid, refusal, type Refusal, type RefusalKind } from '@finality/kernel';
import { describe, expect, test } from 'vitest';
import { RefusalException, refusalOf, rpcStatusOf, STATUS_OF_REFUSAL, statusOfRefusal } from './refusal-status.ts';

describe('the table from refusals to gRPC statuses', () => {
  test('is this one, for ever: clients rely on the numbers', () => {
    expect(STATUS_OF_REFUSAL).toEqual({
      invalid_argument: 3,
      not_found: 5,
      already_exists: 6,
      permission_denied: 7,
      resource_exhausted: 8,
      failed_precondition: 9,
      aborted: 10,
      out_of_range: 11,
      unavailable: 14,
      unauthenticated: 16,
    });
  });

  test('agrees with google.rpc.Code', () => {
    for (const [kind, code] of Object.entries(STATUS_OF_REFUSAL)) expect(googleRpc.Code[code]).toBe(kind.toUpperCase());
  });
});

describe('google.rpc.Status of a refusal', () => {
  test('is these bytes', () => {
    const refused = invalid(fieldError('amount_sats', 'expected at least 1 sat, got 0'));
    const bytes = statusOfRefusal(refused).metadata.get('grpc-status-details-bin')[0];
    expect(Buffer.from(bytes as Buffer).toString('hex')).toBe(
      '0803122b616d6f756e745f736174733a206578706563746564206174206c656173742031207361742c20676f7420301a48' +
        '0a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e4572726f72496e666f121c0a10494e56' +
        '414c49445f415247554d454e54120866696e616c6974791a5c0a29747970652e676f6f676c65617069732e636f6d2f676f' +
        '6f676c652e7270632e42616452657175657374122f0a2d0a0b616d6f756e745f73617473121e6578706563746564206174' +
        '206c656173742031207361742c20676f742030',
    );
  });

  test.each<Refusal>([
    refusal('not_found', 'UNKNOWN_SETTLEMENT', 'there is no settlement s1'),
    refusal('unavailable', 'SHUTTING_DOWN', 'ask again', { retryable: true }),
    refusal('resource_exhausted', 'OVERLOADED', 'ask again', { retryable: true, retryAfterMs: 1_250 }),
    refusal('failed_precondition', 'FROZEN', 'institution b is frozen', { retryable: false }),
    invalid(fieldError('a', 'expected b'), fieldError('c', 'expected d')),
  ])('$reason comes out as it went in', (refused) => {
    const error = Object.assign(new Error(refused.message), statusOfRefusal(refused));
    expect(refusalOf(error)).toEqual(refused);
    expect(refusalOf(new RefusalException(refused))).toBe(refused);
  });

  test('every kind has a status of its own', () => {
    const codes = (Object.keys(STATUS_OF_REFUSAL) as RefusalKind[]).map(
      (kind) => rpcStatusOf(refusal(kind, 'X', 'x')).code,
    );
    expect(new Set(codes).size).toBe(codes.length);
  });

  test('of somebody else’s error there is no refusal', () => {
    expect(refusalOf(new Error('no'))).toBeUndefined();
    expect(refusalOf(undefined)).toBeUndefined();
  });
});
