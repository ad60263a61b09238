import path from 'node:path';
import { run } from '../../process.ts';
import { figure, type Measured, median } from '../figures.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const REGISTER = path.join(root, 'tools/register.mjs');
/** Part of the app whose walls it needs to look behind: a program of its own, like the services are. */
const PROGRAM = path.join(root, 'apps/address-issuer/src/issue-many.fixture.ts');
const MS_MAX = 300_000;

interface Said {
  readonly addresses: number;
  readonly rounds: readonly {
    readonly derivingMs: number;
    readonly issuingMs: number;
    readonly rawPerSecond: number;
  }[];
}

/** Addresses issued ten thousand at a time by the address issuer on a Postgres of its own. */
export async function benchAddresses(): Promise<Measured> {
  const args = ['--import', REGISTER, PROGRAM];
  const ended = await run(process.execPath, args, { cwd: root, timeoutMs: MS_MAX, keep: true });
  if (ended.code !== 0) throw new Error(`issuing addresses ended with ${ended.code}:\n${ended.output}`);
  const { addresses, rounds } = JSON.parse(ended.output.trim().split('\n').at(-1)!) as Said;
  const perSecond = rounds.map(({ derivingMs, issuingMs }) => (addresses * 1_000) / (derivingMs + issuingMs));
  const raw = median(rounds.map(({ rawPerSecond }) => rawPerSecond));
  const deriving = median(rounds.map(({ derivingMs }) => derivingMs));
  const issuing = median(rounds.map(({ issuingMs }) => issuingMs));
  return {
    figures: [figure('address.issue', median(perSecond), '/s', raw, 'deriving alone, once, with secp256k1 as wasm')],
    notes: [
      `${addresses} addresses: ${(deriving / 1_000).toFixed(1)} s to derive them, derive them again with other arithmetic and compare, ` +
        `${(issuing / 1_000).toFixed(1)} s to issue, store and publish them in one call; one process, Postgres beside it.`,
    ],
  };
}
