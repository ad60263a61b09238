import type { settlementV1 } from '@finality/contracts';
import type { Source } from '@finality/risk';

/** Each script once: many coins may come from one address. Of those whose script nobody knows, every one counts. */
export function sourcesOf(fundingSources: readonly settlementV1.FundingSource[]): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const { script, address, depositOutpoint } of fundingSources) {
    const key = script === '' ? `outpoint ${depositOutpoint}` : script.toLowerCase();
    if (!sources.has(key)) sources.set(key, { script: script.toLowerCase(), address, outpoint: depositOutpoint });
  }
  return [...sources.values()];
}
