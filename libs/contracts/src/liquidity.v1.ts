export * from './generated/finality/liquidity/v1/default_service.ts';
export * from './generated/finality/liquidity/v1/fund_service.ts';
export * from './generated/finality/liquidity/v1/collateral_service.ts';
export * from './generated/finality/liquidity/v1/liquidity_events.ts';
export * from './generated/finality/liquidity/v1/liquidity_service.ts';
export * from './generated/finality/liquidity/v1/unit_liquidity.ts';
