import type { Assessment, ChainFact } from '@finality/settlement';
import type { ConsumedChain } from '@finality/settlement/spec';
import type { SeededRandom } from '../simulation/random.ts';
import type { Trace } from '../simulation/trace.ts';
import type { MemoryBus } from './bus.fixture.ts';
import type { Faults } from './faults.fixture.ts';
import type { MemoryIssuer } from './issuer.fixture.ts';
import type { MemoryProtection } from './protections.fixture.ts';
import type { Subject } from './screening.fixture.ts';
import type { MemorySigner } from './signer.fixture.ts';

/** What services tell each other. */
export type Message =
  | { readonly kind: 'screen'; readonly subject: Subject }
  | {
      readonly kind: 'verdict';
      readonly subject: Subject['kind'];
      readonly by: 'risk' | 'aml';
      readonly assessment: Assessment;
    }
  /** `state`: the chain as its watcher has it, once all that it found out at that time has been told. */
  | { readonly kind: 'fact'; readonly fact: ChainFact; readonly state?: ConsumedChain }
  | { readonly kind: 'signed'; readonly txid: string; readonly signedHex: string };

/** All that there is beside the settlement service. */
export interface Parts {
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly faults: Faults;
  readonly bus: MemoryBus<Message>;
  readonly signer: MemorySigner;
  readonly issuer: MemoryIssuer;
  readonly without: MemoryProtection | undefined;
}
