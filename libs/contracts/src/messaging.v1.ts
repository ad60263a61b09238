export * from './generated/finality/messaging/v1/message_service.ts';
