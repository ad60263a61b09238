import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { outpointKey, parseBlockHash, parseOutpointKey, parseScriptHex, parseTxid } from './ids.ts';

const TXID = 'ab'.repeat(32);

describe('ids', () => {
  it('has one spelling of an outpoint', () => {
    const outpoint = unwrap(parseOutpointKey(`${TXID}:4294967294`));
    expect(outpoint).toEqual({ txid: TXID, vout: 4_294_967_294 });
    expect(outpointKey(outpoint)).toBe(`${TXID}:4294967294`);
    for (const text of [
      '',
      TXID,
      `${TXID}:`,
      `${TXID}:-1`,
      `${TXID}:01`,
      `${TXID}:4294967295`,
      `${TXID.toUpperCase()}:0`,
      `${TXID}:0 `,
    ]) {
      expect(parseOutpointKey(text)).toMatchObject({ ok: false, error: { reason: 'INVALID_OUTPOINT' } });
    }
  });

  it('refuses what is not a hash or a script', () => {
    expect(parseTxid(TXID.slice(2))).toMatchObject({ error: { reason: 'INVALID_TXID' } });
    expect(parseBlockHash(TXID.toUpperCase())).toMatchObject({ error: { reason: 'INVALID_BLOCK_HASH' } });
    expect(parseScriptHex('0')).toMatchObject({ error: { reason: 'INVALID_SCRIPT' } });
    expect(unwrap(parseScriptHex('6A00'))).toBe('6a00');
  });
});
