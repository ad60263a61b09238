import { createHash } from 'node:crypto';
import { parseOutpointKey, parseTransaction, type ScriptHex, unsignedPayout } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { sats, unwrap } from '@finality/kernel';
import { refusalOf } from '@finality/service';
import type { SigningPort } from '@finality/signer-app';
import { Violation } from './violation.ts';

type Request = signingV1.SignTransactionRequest;
type Input = signingV1.InputToSign;

/** Of the last lineages, so many are tried. */
const LINEAGES_MAX = 6;
/** What a coin that nobody has is said to be worth: more than it leaves to miners, the signer wouldn't take. */
const INVENTED_SATS = 1_000n;

/**
 * Somebody with the settlement service's credentials, who has heard what it had signed. A transaction C that excludes its predecessor B, and not the first one
 * A (A(x), B(x,y), C(y,z); DESIGN 8), would pay a second time: B the signer can't object to, C it must refuse, whatever C is called.
 */
export class Rogue {
  /** By lineage, what was signed last. */
  readonly #signed = new Map<string, Request>();

  /** Settlement's line to the signer, listened to. */
  listen(signer: SigningPort): SigningPort {
    const signTransaction: SigningPort['signTransaction'] = async (request) => {
      const answer = await signer.signTransaction(request);
      const before = this.#signed.get(request.lineageId)?.version ?? 0;
      if (request.version >= before) this.#signed.set(request.lineageId, request);
      return answer;
    };
    return new Proxy(signer, {
      get: (target, name, receiver): unknown =>
        name === 'signTransaction' ? signTransaction : Reflect.get(target, name, receiver),
    });
  }

  /**
   * Once everything is over: a coin or a version that the signer has seen is no good for anything else. What is signed here is sent nowhere.
   * @returns how often B was signed, and C refused @throws Violation when C is signed, or refused for another reason
   */
  async driftAway(signer: SigningPort): Promise<number> {
    let refused = 0;
    const paying = [...this.#signed.values()].filter(({ outputs }) =>
      outputs.some(({ payee, toDestination }) => payee ?? toDestination),
    );
    for (const a of paying.slice(-LINEAGES_MAX)) {
      const y = invented(a, 'y');
      const b = built(a, { version: a.version + 1, inputs: [...a.inputs, y] });
      // Older versions may be past what was authorised for them by now: then there is nothing to drift away from.
      if ((await answer(signer, b)) !== 'signed') continue;
      const z = { ...invented(a, 'z'), valueSats: sumOf(a.inputs) };
      const inputs = [y, z];
      const wanted: readonly (readonly [Partial<Request>, rule: string])[] = [
        [{ version: b.version + 1 }, 'ANCHOR_NOT_SPENT'],
        [{ version: b.version + 1, anchor: y.outpoint }, 'OTHER_ANCHOR_IN_LINEAGE'],
        [{ lineageId: `${a.lineageId}-anew`, version: 1, anchor: y.outpoint }, 'COIN_OF_OTHER_LINEAGE'],
      ];
      for (const [change, rule] of wanted) {
        const said = await answer(signer, built(a, { ...change, inputs }));
        if (said !== rule)
          throw new Violation([
            `expected the signer to refuse a payout of ${a.lineageId} from other coins as ${rule}, got ${said}`,
          ]);
      }
      refused += 1;
    }
    return refused;
  }
}

/** @returns `signed`, or the rule that it was refused by */
async function answer(signer: SigningPort, request: Request): Promise<string> {
  try {
    await signer.signTransaction(request);
    return 'signed';
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return refusal.reason;
  }
}

/** A coin that nobody has: whether there is one is only what the caller says. */
function invented({ lineageId }: Request, name: string): Input {
  const txid = createHash('sha256').update(`${lineageId} ${name}`).digest('hex');
  return { outpoint: `${txid}:0`, valueSats: INVENTED_SATS, branch: 0, index: 0 };
}

const sumOf = (inputs: readonly Input[]): bigint => inputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);

/** The same outputs, from these coins: what they are worth more is the miner's. */
function built(request: Request, change: Partial<Request>): Request {
  const { inputs = [], ...others } = change;
  const { outputs, locktime } = unwrap(parseTransaction(request.unsignedTransaction));
  const unsigned = unsignedPayout({
    inputs: inputs.map(({ outpoint, valueSats }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats: sats(valueSats),
      // Not part of what is signed here.
      script: '' as ScriptHex,
    })),
    outputs,
    locktime,
  });
  return { ...request, ...others, inputs, unsignedTransaction: Buffer.from(unsigned, 'hex') };
}
