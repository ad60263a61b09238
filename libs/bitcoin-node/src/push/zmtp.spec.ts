import { describe, expect, it } from 'vitest';
import {
  subscribedTopic,
  ZmtpDecoder,
  ZmtpFault,
  zmtpGreeting,
  zmtpMessage,
  zmtpReady,
  zmtpSubscription,
} from './zmtp.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts);
const texts = (decoder: ZmtpDecoder, taken: Uint8Array): readonly string[] =>
  decoder.take(taken).map(({ body, more }) => `${Buffer.from(body).toString()}${more ? '+' : ''}`);

describe('what is written', () => {
  it('is as in the specification', () => {
    expect(hex(zmtpGreeting())).toBe(`ff00000000000000007f03004e554c4c${'00'.repeat(48)}`);
    // flags command, length 26: READY, Socket-Type = SUB
    expect(hex(zmtpReady('SUB'))).toBe(`0419055245414459${'0b'}536f636b65742d54797065${'00000003'}535542`);
    expect(hex(zmtpSubscription('sequence'))).toBe(`00090173657175656e6365`);
    expect(hex(zmtpMessage([Buffer.from('a'), Buffer.from('bc')]))).toBe('0101610002' + '6263');
  });

  it('has long frames where short ones end', () => {
    expect(hex(zmtpMessage([Buffer.alloc(255)]).subarray(0, 2))).toBe('00ff');
    expect(hex(zmtpMessage([Buffer.alloc(256)]).subarray(0, 9))).toBe('020000000000000100');
  });
});

describe('what is read', () => {
  const said = bytes(zmtpGreeting(), zmtpReady('PUB'), zmtpMessage([Buffer.from('topic'), Buffer.alloc(300, 'x')]));

  it('comes out the same however it is cut', () => {
    for (const size of [1, 7, 64, 65, 1_000]) {
      const decoder = new ZmtpDecoder();
      const frames: string[] = [];
      for (let at = 0; at < said.length; at += size) frames.push(...texts(decoder, said.subarray(at, at + size)));
      expect(frames.slice(1)).toEqual(['topic+', 'x'.repeat(300)]);
    }
  });

  it('is refused when it is something else', () => {
    expect(() => new ZmtpDecoder().take(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow(ZmtpFault);
    const curve = Buffer.from(zmtpGreeting());
    curve.write('CURVE', 12);
    expect(() => new ZmtpDecoder().take(curve)).toThrow(/CURVE/);
    const huge = bytes(zmtpGreeting(), Buffer.from('020000000000010001', 'hex'));
    expect(() => new ZmtpDecoder().take(huge)).toThrow(/65536 bytes/);
  });

  it('tells subscriptions from other messages', () => {
    const decoder = new ZmtpDecoder();
    const frames = decoder.take(
      bytes(zmtpGreeting(), zmtpReady('SUB'), zmtpSubscription(''), zmtpMessage([Buffer.of(0)])),
    );
    expect(frames.map(subscribedTopic)).toEqual([undefined, '', undefined]);
  });
});
