export * from './generated/finality/signing/v1/signing_service.ts';
