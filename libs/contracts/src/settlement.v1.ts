export * from './generated/finality/settlement/v1/settlement.ts';
export * from './generated/finality/settlement/v1/settlement_events.ts';
export * from './generated/finality/settlement/v1/settlement_service.ts';
export * from './generated/finality/settlement/v1/operations_service.ts';
export * from './generated/finality/settlement/v1/window_service.ts';
export * from './generated/finality/settlement/v1/policy_service.ts';
export * from './generated/finality/settlement/v1/unit_window.ts';
