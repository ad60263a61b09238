/** An account of the ledger at the cut. */
export interface AccountRecord {
  readonly account: string;
  /** What it counts, and its amounts are in the smallest part of. */
  readonly unit: string;
  readonly debits: bigint;
  readonly credits: bigint;
}

/** A coin that the ledger holds for unspent at the cut's block. */
export interface CoinRecord {
  /** txid:vout */
  readonly outpoint: string;
  readonly walletId: string;
  readonly valueSats: bigint;
  readonly script: string;
}

/** What counterparties were told about a settlement. */
export interface SettlementRecord {
  readonly settlementId: string;
  /** In lower case, as in DESIGN section 7. */
  readonly status: string;
  readonly mode: string;
  readonly amountSats: bigint;
  /** txid:vout of the output that pays it; empty when there is none (yet). */
  readonly payeeOutpoint: string;
}

/** A transaction that settlement ever offered for signature. */
export interface TransactionRecord {
  readonly lineageId: string;
  readonly version: number;
  readonly txid: string;
  readonly status: string;
}

/** What settlement says at one position of its log. */
export interface LedgerCut {
  readonly position: bigint;
  /** The last block that the ledger has consumed; height 0 and an empty hash before the first. */
  readonly height: number;
  readonly blockHash: string;
  readonly accounts: readonly AccountRecord[];
  readonly coins: readonly CoinRecord[];
  readonly settlements: readonly SettlementRecord[];
  readonly transactions: readonly TransactionRecord[];
}

/** An output to a script of a wallet, as the node's blocks have it. */
export interface ChainOutput {
  readonly outpoint: string;
  readonly walletId: string;
  readonly valueSats: bigint;
  readonly script: string;
  /** Spent at the cut's block or before. */
  readonly spent: boolean;
}

/** The chain at exactly the cut's block: every unspent output of our wallets, and those spent ones that the cut names. */
export interface ChainView {
  readonly height: number;
  readonly blockHash: string;
  readonly outputs: readonly ChainOutput[];
}

export interface JournalRecord {
  readonly position: bigint;
  readonly lineageId: string;
  readonly version: number;
  readonly txid: string;
}

/** The signer's journal. */
export interface Journal {
  /** Where it ended before the ledger's cut was taken: up to here settlement must know each entry, since intent comes before signing. */
  readonly endBeforeCut: bigint;
  /** Read after the cut: all that settlement took for signed by then must be here. */
  readonly entries: readonly JournalRecord[];
}
