export * from './generated/finality/proposal/v1/proposal_service.ts';
