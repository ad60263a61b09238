import { outpointKey, type ParsedTransaction } from '@finality/bitcoin';

export interface IndexedOutput {
  readonly outpoint: string;
  readonly walletId: string;
  readonly valueSats: bigint;
  readonly script: string;
}

/** What a block does to the outputs of our wallets. */
export interface IndexedBlock {
  readonly created: readonly IndexedOutput[];
  /** Outpoints; of whoever they are, the index knows which are ours. */
  readonly spent: readonly { readonly outpoint: string; readonly byTxid: string }[];
}

/** Independent of the chain watcher's matching on purpose: the two are compared. */
export function indexBlock(
  transactions: readonly ParsedTransaction[],
  walletOf: (script: string) => string | undefined,
): IndexedBlock {
  const created: IndexedOutput[] = [];
  const spent: { outpoint: string; byTxid: string }[] = [];
  for (const { txid, inputs, outputs, isCoinbase } of transactions) {
    if (!isCoinbase) for (const { outpoint } of inputs) spent.push({ outpoint: outpointKey(outpoint), byTxid: txid });
    outputs.forEach(({ script, valueSats }, vout) => {
      const walletId = walletOf(script);
      if (walletId !== undefined) created.push({ outpoint: `${txid}:${vout}`, walletId, valueSats, script });
    });
  }
  return { created, spent };
}
