export * from './generated/finality/risk/v1/risk_events.ts';
export * from './generated/finality/risk/v1/risk_service.ts';
