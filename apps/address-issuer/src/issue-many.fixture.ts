import { deriveScript, parseDescriptor } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { IssuerRig } from './issuer-rig.fixture.ts';
import { foreignWallet } from './neighbours.fixture.ts';

// The program that `npm run bench -- chain` measures issuing with: the address issuer on a Postgres of its own, everything but Postgres in this
// process. It ends by saying what it measured as a line of JSON.

const ADDRESSES = 10_000;
const ROUNDS = 3;
const RAW_MS = 1_500;

/** From the moment that the addresses are watched: derived, derived again and compared, asked for in one call, stored, published, received. */
async function round(rig: IssuerRig, account: number): Promise<{ derivingMs: number; issuingMs: number }> {
  const { walletId } = await rig.registerOwn(foreignWallet(account));
  const addresses = Array.from({ length: ADDRESSES }, (_, i) => ({ externalId: `${account}/${i}`, label: 'bench' }));
  const started = performance.now();
  await rig.watch(walletId, ADDRESSES);
  const derived = performance.now();
  const issued = await rig.issueMany({ walletId, addresses });
  if (issued.length !== ADDRESSES) throw new Error(`expected ${ADDRESSES} addresses, got ${issued.length}`);
  return { derivingMs: derived - started, issuingMs: performance.now() - derived };
}

/** Deriving and nothing else. */
function rawPerSecond(): number {
  const { external, internal } = foreignWallet(1_000);
  const descriptor = unwrap(parseDescriptor([external, internal], 'regtest'));
  const started = performance.now();
  let index = 0;
  while (performance.now() - started < RAW_MS) deriveScript(descriptor, 0, index++);
  return (index * 1_000) / (performance.now() - started);
}

const rig = await IssuerRig.open();
try {
  const rounds: { derivingMs: number; issuingMs: number; rawPerSecond: number }[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push({ ...(await round(rig, 100 + i)), rawPerSecond: rawPerSecond() });
  process.stdout.write(`${JSON.stringify({ addresses: ADDRESSES, rounds })}\n`);
} finally {
  await rig.close();
}
// The Postgres that tests of a process share ends with it, and keeps it alive until then.
process.exit();
