import { type Descriptor, deriveScript, MasterKey, parseDescriptor } from '@finality/bitcoin';
import { type Instant, type Refusal, unwrap } from '@finality/kernel';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  decideRegisterDestination,
  decideRemoveDestination,
  destinationAggregate,
  type DestinationState,
  type PayeeOutput,
  type RegisterDestination,
  requestRefusal,
  type SignatoriesState,
  type SignedStatement,
  type Statement,
  statementText,
} from './index.ts';
import {
  authorised,
  BANK_A,
  change,
  coin,
  INDEX_GAP,
  Journal,
  type Output,
  pay,
  scriptOf,
} from './red-team.fixture.ts';
import { TestSignatory } from './signatory.fixture.ts';
import { scriptOfAddress } from './statement.ts';

const NOW = 1_800_000_000_000 as Instant;
const COOLING_MS = 86_400_000;
const COOLED = (NOW + COOLING_MS) as Instant;
const SOON = (NOW + 3_600_000) as Instant;
const [ann, bob] = [new TestSignatory(11), new TestSignatory(12, 'regtest', 'tr')];
const SIGNATORIES: SignatoriesState = {
  signatories: [ann, bob].map(({ address }) => ({
    address,
    script: unwrap(scriptOfAddress(address, 'regtest', 'address')),
  })),
  revoked: [],
};

const accountOf = (seed: number) => new MasterKey(new Uint8Array(32).fill(seed), 'regtest').account('wpkh', 0);
/** Two of three of the payee's own. */
const OWN = unwrap(
  parseDescriptor(
    `wsh(sortedmulti(2,${[71, 72, 73].map((seed) => `${accountOf(seed).xpub}/<0;1>/*`).join(',')}))`,
    'regtest',
  ),
);
const OTHER = accountOf(74).descriptor;
const scriptAt = (descriptor: Descriptor, branch: 0 | 1, index: number) =>
  deriveScript(descriptor, branch, index).script;

type Said = Pick<Statement, 'network' | 'institutionId'> & { readonly descriptor: string };
const said = (over: Partial<Said> = {}) => ({
  domain: 'finality',
  institutionId: 'bank-b',
  network: 'regtest' as const,
  descriptor: OWN.external,
  ...over,
});
const asked = (over: Partial<Said> = {}): SignedStatement =>
  ann.sign({ purpose: 'register destination', ...said(over) }, SOON);
const approved = (over: Partial<Said> = {}): SignedStatement =>
  bob.sign({ purpose: 'approve destination', ...said(over) }, SOON);

const command = (over: Partial<RegisterDestination> = {}): RegisterDestination => ({
  destinationId: 'd-1',
  institutionId: 'bank-b',
  wanted: { walletId: 'w-own', descriptor: OWN.text },
  request: asked(),
  approval: approved(),
  requestedBy: 'key-1',
  approvedBy: 'key-2',
  ...over,
});
const FACTS = {
  now: NOW,
  network: 'regtest',
  domain: 'finality',
  signatories: SIGNATORIES,
  coolingMs: COOLING_MS,
  isUsed: () => false,
} as const;

const outcome = (decision: { readonly kind: string; readonly refused?: Refusal }): string =>
  decision.kind === 'refused' ? decision.refused!.reason : 'taken';
const registering = (over: Partial<RegisterDestination> = {}, state = destinationAggregate.initialState) =>
  decideRegisterDestination(command(over), state, FACTS);

function registered(): DestinationState {
  const decision = registering();
  if (decision.kind === 'refused') throw new Error(decision.refused.message);
  return decision.events.reduce(destinationAggregate.evolve, destinationAggregate.initialState);
}

describe('what is signed for a wallet', () => {
  it('is one line that binds its external descriptor', () => {
    const fingerprint = createHash('sha256').update(OWN.external).digest('hex');
    const checksum = OWN.external.slice(-8);
    expect(statementText({ purpose: 'register destination', ...said() }, { nonce: 'n-1', validUntil: NOW })).toBe(
      `finality is told by an institution's signatory; purpose: register destination; institution: bank-b; network: regtest; descriptor: ${fingerprint}#${checksum}; nonce: n-1; valid until: 1800000000 (Unix time)`,
    );
  });

  it.each<[string, () => Partial<RegisterDestination>, string]>([
    ['by two people', () => ({}), 'taken'],
    [
      'asked for with another descriptor',
      () => ({ request: asked({ descriptor: OTHER.external }) }),
      'SIGNATURE_INVALID',
    ],
    [
      'approved with another descriptor',
      () => ({ approval: approved({ descriptor: OTHER.external }) }),
      'SIGNATURE_INVALID',
    ],
    ['by its change', () => ({ request: asked({ descriptor: OWN.internal }) }), 'SIGNATURE_INVALID'],
    ['for another institution', () => ({ request: asked({ institutionId: 'bank-c' }) }), 'SIGNATURE_INVALID'],
    ['for another network', () => ({ request: asked({ network: 'signet' }) }), 'SIGNATURE_INVALID'],
    ['by one person', () => ({ approval: { ...asked() } }), 'APPROVED_BY_REQUESTER'],
    ['by an address instead', () => ({ wanted: { address: ann.address } }), 'SIGNATURE_INVALID'],
    [
      'with a bad checksum',
      () => ({ wanted: { walletId: 'w', descriptor: `${OWN.text.slice(0, -1)}x` } }),
      'BAD_CHECKSUM',
    ],
    ['in another spelling', () => ({ wanted: { walletId: 'w', descriptor: OWN.text.slice(0, -9) } }), 'NOT_CANONICAL'],
    ['by one branch alone', () => ({ wanted: { walletId: 'w', descriptor: OWN.external } }), 'UNSUPPORTED_PATH'],
  ])('%s', (_what, over, reason) => {
    expect(outcome(registering(over()))).toBe(reason);
  });

  it('is kept with what it was for: the same again changes nothing, another is refused', () => {
    const there = registered();
    expect(there).toMatchObject({ destination: { place: { kind: 'wallet', walletId: 'w-own', descriptor: OWN } } });
    expect(registering({}, there)).toEqual({ kind: 'accepted', events: [] });
    const other = { descriptor: OTHER.external };
    const otherwise = {
      wanted: { walletId: 'w-own', descriptor: OTHER.text },
      request: asked(other),
      approval: approved(other),
    };
    expect(outcome(registering(otherwise, there))).toBe('DESTINATION_DIFFERS');
    expect(outcome(registering({ wanted: { walletId: 'w-2', descriptor: OWN.text } }, there))).toBe(
      'DESTINATION_DIFFERS',
    );
  });

  it('can be checked before a second person is asked', () => {
    const { wanted, request } = command();
    expect(requestRefusal({ institutionId: 'bank-b', wanted, request }, FACTS)).toBeUndefined();
    const another = asked({ descriptor: OTHER.external });
    expect(requestRefusal({ institutionId: 'bank-b', wanted, request: another }, FACTS)?.reason).toBe(
      'SIGNATURE_INVALID',
    );
  });
});

describe('a payee’s own wallet', () => {
  const paying = (
    over: Partial<PayeeOutput> = {},
    script = scriptAt(OWN, 0, over.index ?? 3),
    settlementId = 's-1',
  ): Output => {
    const good = pay(settlementId, 60_000n, script);
    return { ...good, declared: { ...good.declared, walletId: 'w-own', destinationId: 'd-1', ...over } as PayeeOutput };
  };
  const asking = (journal: Journal, output: Output, lineageId = 'l-1') =>
    journal.ask({ lineageId, inputs: [coin(BANK_A, 100_000n)], outputs: [output, change(39_000n)] });
  const removed = (state: DestinationState): DestinationState => {
    const removing = decideRemoveDestination({ institutionId: 'bank-b', destinationId: 'd-1' }, state, NOW);
    return removing.kind === 'accepted' ? removing.events.reduce(destinationAggregate.evolve, state) : state;
  };
  const knowing = (state = registered(), now = COOLED) => new Journal(new Map([['d-1', state]]), now);

  it('is paid at scripts that the signer derives from what was signed for', () => {
    expect(asking(knowing(), paying())).toBe('signed');
  });

  it.each<[string, () => Output, string]>([
    ['at its change branch', () => paying({ branch: 1 }, scriptAt(OWN, 1, 3)), 'PAYEE_BRANCH'],
    [
      'at a script of its change branch that is said to be external',
      () => paying({}, scriptAt(OWN, 1, 3)),
      'OUTPUT_SCRIPT_DIFFERS',
    ],
    ['at another index than declared', () => paying({}, scriptAt(OWN, 0, 4)), 'OUTPUT_SCRIPT_DIFFERS'],
    ['at another wallet’s script', () => paying({}, scriptAt(OTHER, 0, 3)), 'OUTPUT_SCRIPT_DIFFERS'],
    ['at the payer’s script', () => paying({}, scriptOf(BANK_A, 0, 3)), 'OUTPUT_SCRIPT_DIFFERS'],
    ['under another wallet’s name', () => paying({ walletId: 'w-2' }), 'UNKNOWN_DESTINATION'],
    ['as another institution’s', () => paying({ institutionId: 'bank-c' }), 'UNKNOWN_DESTINATION'],
    ['under a name that nobody has registered', () => paying({ destinationId: 'd-2' }), 'UNKNOWN_DESTINATION'],
    ['as a wallet of the signer’s', () => ({ ...paying(), declared: withoutDestination(paying()) }), 'UNKNOWN_PAYEE'],
    ['beyond its bound', () => paying({ index: INDEX_GAP }), 'INDEX_TOO_FAR'],
    ['at the highest index there is', () => paying({ index: 2 ** 31 - 1 }, scriptAt(OWN, 0, 0)), 'INDEX_TOO_FAR'],
    [
      'as if it were a single script',
      () => {
        const { settlementId, institutionId, valueSats } = paying().declared as PayeeOutput;
        const declared = { kind: 'destination', settlementId, institutionId, valueSats, destinationId: 'd-1' } as const;
        return { ...paying(), declared };
      },
      'UNKNOWN_DESTINATION',
    ],
  ])('%s is not paid', (_what, output, rule) => {
    const attempt = { inputs: [coin(BANK_A, 100_000n)], outputs: [output(), change(39_000n)] };
    // Whoever attacks has the authorisation that its output needs.
    const { declared } = attempt.outputs[0]!;
    const good = paying();
    const payouts = [{ ...authorisationOf(good), payeeInstitutionId: (declared as PayeeOutput).institutionId }];
    expect(knowing().ask({ ...attempt, payouts })).toBe(rule);
  });

  it('that cools, or was removed, gets no first signature; what was signed once is signed again, and dearer', () => {
    expect(asking(knowing(registered(), (COOLED - 1) as Instant), paying())).toBe('DESTINATION_COOLING');
    expect(asking(knowing(removed(registered())), paying())).toBe('DESTINATION_REMOVED');
    const registry = new Map([['d-1', registered()]]);
    const journal = new Journal(registry, COOLED);
    const inputs = [coin(BANK_A, 100_000n)];
    const first = { inputs, outputs: [paying(), change(39_000n)] };
    expect(journal.ask(first)).toBe('signed');
    registry.set('d-1', removed(registered()));
    expect(journal.ask(first)).toBe('signed');
    expect(journal.ask({ ...first, version: 2, outputs: [paying(), change(38_000n)] })).toBe('signed');
    expect(journal.ask({ ...first, version: 3, outputs: [paying({ index: 4 }), change(37_000n)] })).toBe(
      'PAYOUT_DIFFERS',
    );
    expect(asking(journal, paying({}, scriptAt(OWN, 0, 3), 's-2'), 'l-2')).toBe('DESTINATION_REMOVED');
  });

  it('may be paid further on once the issuer has had it derived, or the signer has paid there', () => {
    const journal = knowing();
    journal.issued('w-own', 0, 1_500);
    expect(asking(journal, paying({ index: 1_500 + INDEX_GAP }))).toBe('signed');
    expect(asking(journal, paying({ index: 1_501 + 2 * INDEX_GAP }, undefined, 's-2'), 'l-2')).toBe('INDEX_TOO_FAR');
  });
});

function withoutDestination({ declared }: Output): PayeeOutput {
  const { destinationId: _none, ...payee } = declared as PayeeOutput;
  return payee;
}

function authorisationOf(output: Output) {
  const [authorisation] = authorised(output);
  if (authorisation === undefined) throw new Error('a payee is authorised');
  return authorisation;
}
