export * from './generated/finality/liquidity/v1/liquidity_service.ts';
