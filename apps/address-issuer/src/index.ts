export { type AddressingPort, type AddressIssuerEnv, AddressIssuerModule } from './address-issuer.module.ts';
export { type AddressIssuerConfig, addressIssuerConfig } from './config.ts';
export type { SignerOfAccounts } from './registration.ts';
export { addressIssuerProgram } from './program.ts';
export { addressIssuerService } from './service.ts';
