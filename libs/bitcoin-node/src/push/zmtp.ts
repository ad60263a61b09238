/**
 * What ZeroMQ's PUB and SUB sockets say to each other over TCP: ZMTP 3.0 (rfc.zeromq.org/spec/23) with the NULL mechanism. Announcing 3.0,
 * a peer of 3.1 speaks 3.0 as well, so subscriptions are messages and there are no heartbeats.
 */

export interface ZmtpFrame {
  readonly body: Uint8Array;
  /** Another frame of the same message follows. */
  readonly more: boolean;
  /** Between the sockets themselves, not from whoever uses them. */
  readonly command: boolean;
}

/** The peer doesn't speak ZMTP 3, or not as we do. */
export class ZmtpFault extends Error {
  override readonly name = 'ZmtpFault';
}

const GREETING_BYTES = 64;
const SIGNATURE_FIRST = 0xff;
const SIGNATURE_LAST = 0x7f;
const SIGNATURE_LAST_AT = 9;
const MAJOR_AT = 10;
const MAJOR = 3;
const MECHANISM_AT = 12;
const MECHANISM_BYTES = 20;
const MECHANISM = 'NULL';

const FLAG_MORE = 1;
const FLAG_LONG = 2;
const FLAG_COMMAND = 4;
const SHORT_MAX = 255;
/** Nothing that is subscribed to here is nearly as long. */
const FRAME_BYTES_MAX = 65_536;

const SUBSCRIBE = 1;

export function zmtpGreeting(): Uint8Array {
  const greeting = Buffer.alloc(GREETING_BYTES);
  greeting[0] = SIGNATURE_FIRST;
  greeting[SIGNATURE_LAST_AT] = SIGNATURE_LAST;
  greeting[MAJOR_AT] = MAJOR;
  greeting.write(MECHANISM, MECHANISM_AT, 'ascii');
  return greeting;
}

/** The first command of either side. */
export function zmtpReady(socketType: 'PUB' | 'SUB'): Uint8Array {
  const name = Buffer.from('Socket-Type', 'ascii');
  const value = Buffer.from(socketType, 'ascii');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  const ready = Buffer.from('READY', 'ascii');
  const body = [Buffer.of(ready.length), ready, Buffer.of(name.length), name, length, value];
  return encodeFrame({ body: Buffer.concat(body), more: false, command: true });
}

/** Asks for all messages whose first frame begins with `topic`. */
export function zmtpSubscription(topic: string): Uint8Array {
  const body = Buffer.concat([Buffer.of(SUBSCRIBE), Buffer.from(topic, 'utf8')]);
  return encodeFrame({ body, more: false, command: false });
}

/** The topic that a frame asks for; undefined when it asks for something else. */
export function subscribedTopic({ body, command }: ZmtpFrame): string | undefined {
  return !command && body[0] === SUBSCRIBE ? Buffer.from(body.subarray(1)).toString('utf8') : undefined;
}

/** A message of several parts. */
export function zmtpMessage(parts: readonly Uint8Array[]): Uint8Array {
  const last = parts.length - 1;
  return Buffer.concat(parts.map((body, i) => encodeFrame({ body, more: i < last, command: false })));
}

function encodeFrame({ body, more, command }: ZmtpFrame): Uint8Array {
  const flags = (more ? FLAG_MORE : 0) | (command ? FLAG_COMMAND : 0);
  if (body.length <= SHORT_MAX) return Buffer.concat([Buffer.of(flags, body.length), body]);
  const head = Buffer.alloc(9);
  head[0] = flags | FLAG_LONG;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([head, body]);
}

/** Cuts what comes from a peer into frames, however the network has cut it. */
export class ZmtpDecoder {
  #buffered: Buffer = Buffer.alloc(0);
  #greeted = false;

  /** The frames that are complete with these bytes. @throws ZmtpFault */
  take(bytes: Uint8Array): readonly ZmtpFrame[] {
    this.#buffered = Buffer.concat([this.#buffered, bytes]);
    if (!this.#greeted && !this.#greeting()) return [];
    const frames: ZmtpFrame[] = [];
    for (let frame = this.#frame(); frame; frame = this.#frame()) frames.push(frame);
    return frames;
  }

  #greeting(): boolean {
    if (this.#buffered.length > 0 && this.#buffered[0] !== SIGNATURE_FIRST)
      throw new ZmtpFault('expected a ZMTP greeting');
    if (this.#buffered.length < GREETING_BYTES) return false;
    const greeting = this.#cut(GREETING_BYTES);
    const major = greeting[MAJOR_AT]!;
    const mechanism = greeting.toString('ascii', MECHANISM_AT, MECHANISM_AT + MECHANISM_BYTES).replace(/\0+$/, '');
    if (greeting[SIGNATURE_LAST_AT] !== SIGNATURE_LAST || major < MAJOR || mechanism !== MECHANISM) {
      throw new ZmtpFault(
        `expected ZMTP 3 with the mechanism NULL, got version ${major} with ${JSON.stringify(mechanism)}`,
      );
    }
    this.#greeted = true;
    return true;
  }

  #frame(): ZmtpFrame | undefined {
    const buffered = this.#buffered;
    const flags = buffered[0];
    if (flags === undefined) return undefined;
    const isLong = (flags & FLAG_LONG) !== 0;
    const headBytes = isLong ? 9 : 2;
    if (buffered.length < headBytes) return undefined;
    const length = isLong ? Number(buffered.readBigUInt64BE(1)) : buffered[1]!;
    if (length > FRAME_BYTES_MAX)
      throw new ZmtpFault(`expected frames of at most ${FRAME_BYTES_MAX} bytes, got ${length}`);
    if (buffered.length < headBytes + length) return undefined;
    this.#cut(headBytes);
    return { body: this.#cut(length), more: (flags & FLAG_MORE) !== 0, command: (flags & FLAG_COMMAND) !== 0 };
  }

  #cut(length: number): Buffer {
    const cut = this.#buffered.subarray(0, length);
    this.#buffered = this.#buffered.subarray(length);
    return cut;
  }
}
