import { type OutpointKey, parseOutpointKey, type ScriptHex, unsignedPayout } from '@finality/bitcoin';
import { type Sats, unwrap } from '@finality/kernel';
import { scriptOf, sha, walletCalled } from '@finality/settlement/spec';
import { type DeclaredInput, isPaid, type SigningRequest } from '@finality/signing';
import { parsedOf, type Vouched } from './signer.fixture.ts';
import type { SimulatedWorld } from './world.fixture.ts';

/** Victims are picked among so many of the last. */
const RECENT = 8;
/** Coins that nobody has are in reach of whoever only has to say that there are some. */
const INVENTED_INDEX = 0;
const FEE_SATS = 1_000n;
/** More isn't left to miners by the signer. */
const AMOUNT_MAX_SATS = 95_000n;

/** Somebody with the settlement service's credentials wants a payout signed once more: in a lineage of its own, from other coins. */
export function payAnew(world: SimulatedWorld): void {
  const { random } = world.surroundings;
  const paid = world.vouched.filter(({ request }) => request.outputs.some(isPaid));
  if (paid.length === 0) return;
  const { request, handedOut } = random.pick(paid.slice(-RECENT));
  const coin = invented(world, request);
  const lineageId = `rogue-${world.vouched.length}`;
  const anew = { ...paidFrom(request, [coin]), lineageId, version: 1, anchor: coin.outpoint };
  if (handedOut) handOut(world, anew);
  else ask(world, anew);
}

/**
 * The same in the lineage that it is in: by a version that spends one more coin, which the signer can't object to, and one that has that coin in common
 * with it, and no longer the anchor (DESIGN 8). Done at the end of a history: a coin or a version that the signer has seen is no good for anything else.
 */
export function driftAway(world: SimulatedWorld): void {
  for (const lineageId of new Set(paying(world).map(({ request }) => request.lineageId))) {
    const { request } = world.vouched.findLast((each) => each.request.lineageId === lineageId)!;
    if (!request.outputs.some(isPaid) || paidSats(request) > AMOUNT_MAX_SATS) continue;
    const coin = invented(world, request);
    const more = { ...grown(request, coin), version: request.version + 1 };
    if (!ask(world, more)) continue;
    ask(world, { ...paidFrom(request, [coin]), version: request.version + 2 });
  }
}

const paying = (world: SimulatedWorld): readonly Vouched[] =>
  world.vouched.filter(({ handedOut, request }) => !handedOut && request.outputs.some(isPaid));

function ask(world: SimulatedWorld, request: SigningRequest): boolean {
  const { signer, trace } = world.surroundings;
  const signed = signer.sign(request, world.book.now);
  const what = `somebody wants ${request.lineageId} version ${request.version} signed`;
  trace.add(`${what}: ${signed.ok ? 'signed' : signed.error.rule}`);
  return signed.ok;
}

function handOut(world: SimulatedWorld, request: SigningRequest): void {
  const { signer, trace } = world.surroundings;
  const { institutionId, walletId } = walletCalled(request.walletId);
  const inputScripts = request.inputs.map(({ branch, index }) => scriptOf(walletCalled(walletId), branch, index));
  const remembered = signer.recordHandOut({ request, institutionId, inputScripts }, world.book.now);
  trace.add(`somebody wants ${request.lineageId} handed out: ${remembered.ok ? 'handed out' : remembered.error.rule}`);
}

function invented(world: SimulatedWorld, request: SigningRequest): DeclaredInput {
  const outpoint = `${sha(`invented ${world.book.log.length} ${request.lineageId}`)}:0` as OutpointKey;
  return { outpoint, valueSats: (paidSats(request) + FEE_SATS) as Sats, branch: 0, index: INVENTED_INDEX };
}

const paidSats = ({ outputs }: SigningRequest): bigint =>
  outputs.filter(isPaid).reduce((sum, { valueSats }) => sum + valueSats, 0n);

/** The payees alone, exactly. */
function paidFrom(request: SigningRequest, inputs: readonly DeclaredInput[]): SigningRequest {
  return built({ ...request, inputs, outputs: request.outputs.filter(isPaid) }, parsedOf(request).outputs);
}

/** What it pays, and one coin more for the miner. */
function grown(request: SigningRequest, coin: DeclaredInput): SigningRequest {
  return built({ ...request, inputs: [...request.inputs, coin] }, parsedOf(request).outputs);
}

/** @param paid as the request had them, in the order of its outputs: payees first */
function built(request: SigningRequest, paid: readonly { readonly script: ScriptHex }[]): SigningRequest {
  const wallet = walletCalled(request.walletId);
  const plan = {
    inputs: request.inputs.map(({ outpoint, valueSats, branch, index }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats,
      script: scriptOf(wallet, branch, index),
    })),
    outputs: request.outputs.map(({ valueSats }, i) => ({ valueSats, script: paid[i]!.script })),
    locktime: 0,
  };
  return { ...request, unsignedTransaction: unsignedPayout(plan) };
}
