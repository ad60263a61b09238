import { refusalOf, toRpcException } from '@finality/service';
import { living } from '@finality/settlement';
import { signingRequestOf } from '../outbound/signing-request.ts';
import { settlementStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';
import { ownPayout, versionShown } from './psbt-view.ts';

/**
 * Has the signer remember what the payer is about to be handed: should this store be restored from an older copy, it is known there. Asked for
 * again, nothing happens.
 * @returns the version
 * @throws RefusalException with the signer's rule, or UNAVAILABLE: nothing may leave then
 */
export async function journalHandOut(gateway: Gateway, settlementId: string): Promise<number> {
  const { env, reader } = gateway;
  const { lineage } = await ownPayout(gateway, await gateway.settlement(settlementId));
  const version = versionShown(lineage);
  const { epoch } = await reader.head();
  const paid = await reader.loadStates(
    settlementStream,
    version.payouts.map((payout) => payout.settlementId),
  );
  const settlements = paid.map(({ state }) => living(state));
  const { network } = env.config;
  try {
    await env.signer.recordHandOut({
      request: signingRequestOf(lineage, version, settlements, { epoch, network }),
      institutionId: lineage.institutionId,
      inputScripts: version.inputs.map(({ script }) => script),
    });
  } catch (error) {
    const refusal = refusalOf(error);
    throw refusal === undefined ? error : toRpcException(refusal);
  }
  return version.version;
}
