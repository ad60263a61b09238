export { type SignerConfig, signerConfig } from './config.ts';
export { openSeed, provisionSeed, type SeedVaultOptions } from './outbound/seed-vault.ts';
export { type SignerEnv, SignerModule, type SigningPort } from './signer.module.ts';
export { signerProgram } from './program.ts';
export { signerService } from './service.ts';
