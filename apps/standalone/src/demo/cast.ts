import { addressV1, settlementV1 } from '@finality/contracts';

const { ScriptType } = addressV1;
const { SettlementMode } = settlementV1;

export interface DemoInstitution {
  readonly id: string;
  readonly name: string;
  readonly scriptType: addressV1.ScriptType;
  /** Backs its CENTRALIZED settlements; satoshi. */
  readonly clearingSats: readonly bigint[];
  /** Coins of its own wallet; satoshi. Each is below what goes to a compliance officer. */
  readonly walletSats: readonly bigint[];
}

export const INSTITUTIONS: readonly DemoInstitution[] = [
  {
    id: 'bank-a',
    name: 'Bank A',
    scriptType: ScriptType.SCRIPT_TYPE_WPKH,
    clearingSats: [50_000_000n],
    walletSats: [60_000_000n, 40_000_000n, 25_000_000n],
  },
  {
    id: 'bank-b',
    name: 'Bank B',
    scriptType: ScriptType.SCRIPT_TYPE_TR,
    clearingSats: [20_000_000n],
    walletSats: [30_000_000n, 45_000_000n, 15_000_000n],
  },
];

export interface DemoSettlement {
  readonly reference: string;
  readonly from: string;
  readonly to: string;
  readonly amountSats: bigint;
  readonly mode: settlementV1.SettlementMode;
}

/** One per mode; the last takes more than one coin. */
export const SETTLEMENTS: readonly DemoSettlement[] = [
  {
    reference: 'demo-centralized',
    from: 'bank-a',
    to: 'bank-b',
    amountSats: 12_500_000n,
    mode: SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
  },
  {
    reference: 'demo-bilateral',
    from: 'bank-a',
    to: 'bank-b',
    amountSats: 35_000_000n,
    mode: SettlementMode.SETTLEMENT_MODE_BILATERAL,
  },
  {
    reference: 'demo-blockchain',
    from: 'bank-b',
    to: 'bank-a',
    amountSats: 60_000_000n,
    mode: SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN,
  },
];
