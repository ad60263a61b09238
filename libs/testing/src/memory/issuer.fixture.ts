import { decideIssue, type WalletEvent, walletAggregate, type WalletState } from '@finality/address';
import { assert, type Instant } from '@finality/kernel';
import { scriptOf, walletCalled, WALLETS } from '@finality/settlement/spec';
import { MemoryStreams, type Loaded } from './streams.fixture.ts';

/** All indices below are watched and derived a second time: that is another service's, and not in this world. */
const WATCHED_BELOW = { external: 1_000_000, internal: 1_000_000 };
/** The world makes some places of its own, before there is an issuer. */
const FIRST_INDEX = 100;

/** The rules of address-issuer over streams in memory. */
export class MemoryIssuer {
  readonly #streams: MemoryStreams<WalletState, WalletEvent>;
  /** As a process has it that stood still meanwhile, and still takes itself for the one that writes. */
  #stale = new Map<string, Loaded<WalletState>>();
  #issued = 0;

  constructor(hasAppendLock: boolean) {
    this.#streams = new MemoryStreams(walletAggregate, hasAppendLock);
    for (const { walletId, institutionId, custodial, scriptType } of WALLETS) {
      const kind = custodial ? 'custodial' : 'non_custodial';
      const keys = { scriptType, external: '', internal: '', createdAt: 0 as Instant };
      const wallet = { walletId, institutionId, kind, birthdayHeight: 0, ...keys } as const;
      const next = { external: FIRST_INDEX, internal: FIRST_INDEX };
      this.#streams.append(walletId, this.#streams.load(walletId), [
        { type: 'wallet_registered', wallet },
        { type: 'watch_extended', below: WATCHED_BELOW, scanning: false, wasScanning: false },
        { type: 'derivation_verified', below: WATCHED_BELOW },
        { type: 'indices_skipped', epoch: 1, next },
      ]);
    }
    this.pause();
  }

  /** A process stands still here. */
  pause(): void {
    this.#stale = new Map(WALLETS.map(({ walletId }) => [walletId, this.#streams.load(walletId)]));
  }

  /** @param late decided by the process that stood still @returns the index, or undefined: somebody else has written meanwhile, ask again */
  issue(walletId: string, branch: 0 | 1, now: Instant, late: boolean): number | undefined {
    const loaded = late ? this.#stale.get(walletId)! : this.#streams.load(walletId);
    this.#issued += 1;
    const purpose = branch === 1 ? 'change' : 'wallet';
    const command = { addressId: `address-${this.#issued}`, walletId, purpose, label: '', externalId: '' } as const;
    const decision = decideIssue(command, loaded.state, now, (_wallet, of, index) => {
      const script = scriptOf(walletCalled(walletId), of, index);
      return { script, address: `to ${script}` };
    });
    assert(decision.kind === 'accepted', 'addresses of a wallet that is there are issued');
    if (!this.#streams.append(walletId, loaded, decision.events)) return undefined;
    return decision.events.flatMap((event) => (event.type === 'address_issued' ? event.address.index : []))[0];
  }
}
