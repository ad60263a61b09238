import { type AddressingPort, addressIssuerService } from '@finality/address-issuer-app';
import { amlConfig, amlService } from '@finality/aml-app';
import { chainWatcherService } from '@finality/chain-watcher-app';
import type { ServiceName } from '@finality/contracts';
import { reconciliationService } from '@finality/reconciliation-app';
import { riskConfig, riskService } from '@finality/risk-app';
import {
  type AssembledService,
  type AssembleOptions,
  assembleService,
  INTERNAL_API,
  type Log,
  type ServiceBlueprint,
  type ServiceEnv,
} from '@finality/service';
import { type LedgerCutPort, settlementConfig, settlementService } from '@finality/settlement-app';
import { signerService, type SigningPort } from '@finality/signer-app';
import type { RpcAccess } from './chain.ts';
import type { StandaloneConfig } from './config.ts';

/** All services; none needs one that comes later. */
export const BLUEPRINTS: readonly ServiceBlueprint[] = [
  signerService,
  addressIssuerService,
  settlementService,
  chainWatcherService,
  riskService,
  amlService,
  reconciliationService,
];

export interface CompositionOptions {
  readonly config: StandaloneConfig;
  /** What a service lives on, its configuration aside. */
  readonly baseOf: (name: ServiceName) => Omit<ServiceEnv, 'config'>;
  readonly bitcoinRpc: RpcAccess;
  readonly passphraseFile: string;
  readonly grpc: NonNullable<AssembleOptions['grpc']>;
  readonly logOf: (name: ServiceName) => Log;
}

/** Starts every service in this process, bound directly to those that it calls. Nothing runs yet. */
export async function composeServices(
  options: CompositionOptions,
): Promise<ReadonlyMap<ServiceName, AssembledService>> {
  const { baseOf, grpc, logOf } = options;
  const config = completed(options);
  const assembled = new Map<ServiceName, AssembledService>();
  const start = async <Env extends ServiceEnv>(
    blueprint: ServiceBlueprint<Env>,
    envOf: (base: Omit<ServiceEnv, 'config'>) => Env,
  ): Promise<AssembledService> => {
    const { name } = blueprint;
    const service = await assembleService(blueprint, envOf(baseOf(name)), { grpc, log: logOf(name) });
    assembled.set(name, service);
    return service;
  };
  try {
    const signing = await start(signerService, (base) => ({ ...base, config }));
    const signer = signing.get<SigningPort>(INTERNAL_API);
    const issuing = await start(addressIssuerService, (base) => ({ ...base, config, signer }));
    const addresses = issuing.get<AddressingPort>(INTERNAL_API);
    const settling = await start(settlementService, (base) => {
      return { ...base, config: settlementConfig(config), addresses, signer };
    });
    const ledger = settling.get<LedgerCutPort>(INTERNAL_API);
    await start(chainWatcherService, (base) => ({ ...base, config, log: logOf('chain-watcher') }));
    await start(riskService, (base) => ({ ...base, config: riskConfig(config) }));
    await start(amlService, (base) => ({ ...base, config: amlConfig(config) }));
    await start(reconciliationService, (base) => {
      return { ...base, config, ledger, signer, log: logOf('reconciliation') };
    });
    return assembled;
  } catch (error) {
    for (const service of assembled.values()) await service.close();
    throw error;
  }
}

/** What isn't set but found: where the node is, and the signer's passphrase. */
function completed({ config, bitcoinRpc, passphraseFile }: CompositionOptions) {
  return {
    ...config,
    BITCOIN_RPC_URL: bitcoinRpc.url,
    BITCOIN_RPC_USER: bitcoinRpc.user,
    BITCOIN_RPC_PASSWORD: bitcoinRpc.password,
    SIGNER_PASSPHRASE_FILE: config.SIGNER_PASSPHRASE_FILE ?? passphraseFile,
  };
}
